// Job files: TOML that describes a service or a batch. The format is docs/jobfile.md's.
#pragma once

#include <string>
#include <string_view>

#include "cluster/job.hpp"
#include "cluster/result.hpp"

namespace cluster::app {

// The job that `text` describes, with a new id. Errors begin with "NAME:LINE:COLUMN: ". Unknown
// keys are errors, with the key that was probably meant.
Result<JobSpec> parse_job(std::string_view text, std::string_view file_name);

Result<JobSpec> read_job_file(const std::string& path);

}  // namespace cluster::app
