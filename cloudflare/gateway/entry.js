import { WorkerEntrypoint } from "cloudflare:workers";
import * as bindings from "./build/bindings.js";
import { recovering } from "../instance.js";

const { entrypoint, durableObject } = recovering(bindings);

export default entrypoint(WorkerEntrypoint, "fetch");
export const Session = durableObject("Session");
