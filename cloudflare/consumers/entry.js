import { WorkerEntrypoint } from "cloudflare:workers";
import * as bindings from "./build/bindings.js";
import { recovering } from "../instance.js";

const { entrypoint } = recovering(bindings);

export default entrypoint(WorkerEntrypoint, "queue", "scheduled");
