// A sweep on a cluster: its runs as a job array of Slurm's (https://slurm.schedmd.com, sbatch(1)).
// There is no scheduler here: each task of the array is the same command with --share K/N, takes
// the runs that are its own, and keeps them in the sweep's folder, which all nodes must see.
//
//     DIR/slurm/submitted.json   what was handed over: folder and words of the command, job numbers
//     DIR/slurm/job.sh           what each task runs
//     DIR/slurm/JOB_TASK.log     what it said
#ifndef MMUSIM_CLI_SLURM_H_
#define MMUSIM_CLI_SLURM_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"

namespace mmusim::cli {

// --slurm, --tasks, --share.
void declare_slurm_options(Arguments& arguments);

// Of the runs of a sweep, those whose number is `number` modulo `of`.
struct Share {
  size_t number = 0;
  size_t of = 1;
};
// --share. Errors: UsageError.
std::optional<Share> share_of(const Arguments& arguments);

// Hands a sweep to Slurm: `words` are its command's, `missing` runs it has to do. Says what was
// done. Errors: Error where sbatch is not there, or refuses.
void submit_to_slurm(const Arguments& arguments, const Words& words, const std::string& folder,
                     size_t missing);

// What was handed over, and what Slurm says of it, a line a job; nothing where the folder has no
// submitted.json. Errors: Error for one that cannot be read.
struct Submitted {
  std::string folder;  // the command's current one
  Words words;         // without what belongs to Slurm
  Words jobs;
};
std::optional<Submitted> submitted_from(const std::string& folder);
// "job 12: 3 running, 5 pending", or that Slurm knows it no more.
std::string state_of_job(const std::string& job);

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_SLURM_H_
