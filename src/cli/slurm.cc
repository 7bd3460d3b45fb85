#include "cli/slurm.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <spawn.h>
#include <sstream>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include "base/error.h"
#include "base/input_file.h"
#include "base/output_file.h"
#include "base/program_file.h"
#include "base/units.h"
#include "cli/output.h"
#include "report/text_writer.h"
#include "stats/json.h"

namespace mmusim::cli {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSchema = 1;
constexpr uint64_t kMostTasks = 1000;  // as Slurm's MaxArraySize allows by default
constexpr const char* kSlurm = "slurm";
constexpr const char* kSubmitted = "slurm/submitted.json";

struct Ran {
  int status = 0;  // of exit; 127: it is not there
  std::string printed;
};

// Runs a program and takes what it prints; what it says to stderr is the user's to see, unless
// `quiet`.
Ran run_program(const Words& words, bool quiet = false) {
  int ends[2];
  if (pipe(ends) != 0) throw Error(words.front(), std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  if (quiet) posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<char*> arguments;
  for (const std::string& word : words)
    arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int failed =
      posix_spawnp(&child, arguments.front(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  Ran ran;
  if (failed == 0) {
    char buffer[4096];
    for (ssize_t n = 0;
         (n = read(ends[0], buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR);)
      if (n > 0) ran.printed.append(buffer, static_cast<size_t>(n));
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  } else {
    ran.status = 127;
  }
  close(ends[0]);
  return ran;
}

std::string shell_quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word)
    out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// What only the command that hands over has: --slurm, --tasks.
Words without_slurm(const Words& words) {
  Words kept;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--slurm" || words[i].starts_with("--slurm=") ||
        words[i].starts_with("--tasks="))
      continue;
    if (words[i] == "--tasks") {
      ++i;
      continue;
    }
    kept.push_back(words[i]);
  }
  return kept;
}

// What is of the whole sweep's end, which tasks do not see: --html, --plot.
Words without_figures(const Words& words) {
  Words kept;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--html") {
      ++i;
    } else if (words[i] != "--plot" && !words[i].starts_with("--html=")) {
      kept.push_back(words[i]);
    }
  }
  return kept;
}

std::string script_of(const Arguments& arguments, const Words& words, size_t tasks) {
  const std::string program = program_file().string();
  if (program.empty()) throw Error("mmusim", "where this program's file is is not known");
  std::string command = fmt::format("exec {} sweep", shell_quoted(program));
  for (const std::string& word : without_figures(words))
    command += " " + shell_quoted(word);
  if (!arguments.has("jobs")) command += " --jobs \"${SLURM_CPUS_PER_TASK:-1}\"";
  return fmt::format(
      "#!/bin/sh\n# A task of a sweep: made by mmusim sweep --slurm.\ncd {} || exit 1\n{} --share "
      "\"$SLURM_ARRAY_TASK_ID/{}\"\n",
      shell_quoted(fs::current_path().string()), command, tasks);
}

}  // namespace

void declare_slurm_options(Arguments& arguments) {
  using boost::program_options::value;
  arguments.options()  //
      ("slurm", value<std::string>()->implicit_value("")->value_name("OPTIONS"),
       "Hand the runs to Slurm as a job array, and end; OPTIONS are sbatch's, as "
       "--slurm=\"--partition=short --time=60\". 'mmusim sweep status DIR' says how far it is, "
       "'mmusim sweep resume DIR' does what is missing here, or with --slurm there, and writes the "
       "table.")  //
      ("tasks", text_option("N"),
       "Of the job array; one for each missing run, at most 256, if not given.")  //
      ("share", text_option("K/N"),
       "Do every Nth run from the Kth on, write no table: what each task does.")  //
      ("status", "Say how many runs are there, and stop.");
}

std::optional<Share> share_of(const Arguments& arguments) {
  const char* first = nullptr;
  for (const char* one : {"status", "slurm", "share"}) {
    if (!arguments.has(one)) continue;
    if (first != nullptr)
      throw UsageError(fmt::format("--{}", one), fmt::format("does not go with --{}", first),
                       "give one of them");
    first = one;
  }
  if (!arguments.has("share")) return std::nullopt;
  const std::string& text = arguments.text("share");
  const size_t slash = text.find('/');
  const auto number = parse_count(text.substr(0, slash));
  const auto of = slash == std::string::npos ? std::nullopt : parse_count(text.substr(slash + 1));
  if (!number || !of || *of == 0 || *number >= *of)
    throw UsageError("--share", fmt::format("'{}' is no share", text),
                     "as in 0/8, of 8 the first, to 7/8, the last");
  for (const char* whole : {"html", "plot"})
    if (arguments.has(whole))
      throw UsageError(fmt::format("--{}", whole),
                       "a share has no figures, which are of the whole sweep",
                       "the same command without --share draws them when all shares are done");
  return Share{.number = *number, .of = *of};
}

void submit_to_slurm(const Arguments& arguments, const Words& words, const std::string& folder,
                     size_t missing) {
  constexpr uint64_t kUsual = 256;
  const uint64_t tasks = std::min<uint64_t>(
      missing, arguments.number("tasks", std::min<uint64_t>(missing, kUsual), 1, kMostTasks));
  const Words kept = without_slurm(words);
  const fs::path place = fs::absolute(folder) / kSlurm;
  std::error_code error;
  fs::create_directories(place, error);
  if (error)
    throw Error(place.string(), fmt::format("cannot make the folder: {}", error.message()));
  Words jobs;
  if (const auto before = submitted_from(folder)) jobs = before->jobs;
  const std::string script = (place / "job.sh").string();
  write_file(script, script_of(arguments, kept, tasks));

  Words command = {"sbatch", "--parsable", "--job-name=mmusim",
                   fmt::format("--array=0-{}", tasks - 1),
                   fmt::format("--output={}", (place / "%A_%a.log").string())};
  std::istringstream options(arguments.text("slurm"));
  for (std::string option; options >> option;)
    command.push_back(option);
  command.push_back(script);
  const Ran ran = run_program(command);
  if (ran.status == 127)
    throw Error("--slurm", "there is no sbatch here", "it is in Debian's package slurm-client");
  // "JOB", or "JOB;CLUSTER".
  const std::string job = ran.printed.substr(0, ran.printed.find_first_of(";\n"));
  if (ran.status != 0 || job.empty())
    throw Error("--slurm", fmt::format("sbatch ended with status {}", ran.status),
                "nothing was handed over");
  jobs.push_back(job);
  write_file((fs::path(folder) / kSubmitted).string(),
             stats::document_text(stats::Json{{"schema", kSchema},
                                              {"folder", fs::current_path().string()},
                                              {"words", kept},
                                              {"jobs", jobs}}));
  report::Facts facts{.id = "sweep"};
  facts.add("job", "job", fmt::format("{}, of {}", job, format_counted(tasks, "task")));
  facts.add("missing", "missing", format_counted(missing, "run"));
  facts.add("status", "status", fmt::format("mmusim sweep status {}", folder));
  facts.add("resume", "the table", fmt::format("mmusim sweep resume {}", folder));
  print(report::text_of({.kind = "sweep", .blocks = {facts}},
                        {.styles = {{"sweep", {.width = 11}}}}));
}

std::optional<Submitted> submitted_from(const std::string& folder) {
  const std::string path = (fs::path(folder) / kSubmitted).string();
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  try {
    const stats::Json document = stats::parse_json(read_file(path));
    if (document.at("schema").get<uint64_t>() == kSchema)
      return Submitted{.folder = document.at("folder").get<std::string>(),
                       .words = document.at("words").get<Words>(),
                       .jobs = document.at("jobs").get<Words>()};
  } catch (const stats::Json::exception&) {
    // said below
  }
  throw Error(path, "is not what mmusim sweep --slurm writes",
              "the command itself, given again, goes on");
}

std::string state_of_job(const std::string& job) {
  const Ran ran =
      run_program({"squeue", "--noheader", "--array", "--format=%T", "--jobs=" + job}, true);
  std::map<std::string, uint64_t> states;
  std::istringstream lines(ran.printed);
  for (std::string state; lines >> state;) {
    std::transform(state.begin(), state.end(), state.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    ++states[state];
  }
  if (ran.status != 0 || states.empty())
    return fmt::format("job {}: has ended, or Slurm knows it no more", job);
  std::string text;
  for (const auto& [state, count] : states)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, state);
  return fmt::format("job {}: {}", job, text);
}

}  // namespace mmusim::cli
