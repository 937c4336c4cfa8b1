//! Consistency tokens: what lets a search see what an upload has written.

use pipeline::ids::JobId;
use retrieval::request::CONSISTENCY_TOKEN as PREFIX;

/// The token that lets a search see what this job has written: the job's id in another coat.
pub fn consistency_token(job: &JobId) -> String {
    format!("{PREFIX}{}", job.as_str().trim_start_matches(JobId::PREFIX))
}

/// The job behind a token.
pub fn job_of_token(token: &str) -> Option<JobId> {
    JobId::parse(&format!("{}{}", JobId::PREFIX, token.strip_prefix(PREFIX)?))
}

#[cfg(test)]
mod tests {
    use pipeline::{ids::RANDOM_BYTES, time::Timestamp};

    use super::*;

    #[test]
    fn a_token_names_its_job_and_nothing_else() {
        let job = JobId::new(Timestamp::from_milliseconds(5), [3; RANDOM_BYTES]);
        assert_eq!(job_of_token(&consistency_token(&job)), Some(job));
        assert_eq!(job_of_token("ct_'; DROP TABLE jobs"), None);
        assert_eq!(job_of_token("job_0"), None);
    }
}
