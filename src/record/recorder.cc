#include "record/recorder.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/error.h"
#include "base/output_over.h"
#include "base/presses.h"
#include "base/program_file.h"
#include "record/futex.h"
#include "record/program.h"
#include "record/qemu_file.h"
#include "record/share_memory.h"

extern char** environ;

namespace mmusim::record {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int kNotFound = 127;  // exit statuses, as a shell has them
constexpr int kCannotRun = 126;
constexpr const char* kPluginName = "mmusim-recorder.so";
constexpr const char* kPluginVariable = "MMUSIM_RECORDER_PLUGIN";
constexpr std::chrono::milliseconds kLookEvery{10};  // for processes that ended
constexpr std::chrono::milliseconds kTellEvery{100};
// So many words are worth looking for more at once; with fewer there is time until a ring is filled
// so far that its producer says so. Looking all the time would slow the producers down.
constexpr uint64_t kWorthCollecting = 4096;
constexpr std::chrono::seconds kStarvation{2};  // so long a thread may find no ring

// --- Signals: the program gets them too, or is sent them; what counts here is how often.

Presses presses;
std::atomic<int> pressed{0};
std::atomic<int> first_signal{0};
std::atomic<bool> program_has_it{false};

extern "C" void on_record_signal(int number, siginfo_t* info, void* /*context*/) {
  if (!presses.is_new(number, info)) return;
  if (pressed.load() == 0) {
    first_signal.store(number);
    program_has_it.store(from_terminal(info));
  }
  pressed.fetch_add(1);
}
std::atomic<bool> child_ended{false};
extern "C" void on_child_signal(int /*number*/) {
  child_ended.store(true);
}

void handle_signals() {
  struct sigaction action {};
  action.sa_sigaction = on_record_signal;
  action.sa_flags = SA_SIGINFO;
  for (const int number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP}) {
    struct sigaction old {};
    sigaction(number, nullptr, &old);
    if (old.sa_handler != SIG_IGN) sigaction(number, &action, nullptr);
  }
  struct sigaction child {};
  child.sa_handler = on_child_signal;
  sigaction(SIGCHLD, &child, nullptr);
}

// --- Files

std::string find_plugin() {
  if (const char* path = std::getenv(kPluginVariable); path != nullptr && *path != 0) return path;
  const fs::path here = program_file().parent_path();
  for (const char* place : {MMUSIM_PLUGIN_INSTALLED, MMUSIM_PLUGIN_BUILT}) {
    if (here.empty()) break;
    std::error_code error;
    const fs::path path = fs::weakly_canonical(here / place / kPluginName, error);
    if (!error && access(path.c_str(), R_OK) == 0) return path.string();
  }
  throw Error(kPluginName, "the plug-in for QEMU is not beside this program",
              fmt::format("install mmusim anew, or set {}", kPluginVariable));
}

// Of PATH; an empty one is the current folder.
std::vector<std::string> folders_of_path() {
  const char* const path = std::getenv("PATH");
  const std::string all = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  std::vector<std::string> folders;
  for (size_t at = 0, end = 0; at <= all.size(); at = end + 1) {
    end = std::min(all.find(':', at), all.size());
    folders.push_back(end == at ? "." : all.substr(at, end - at));
  }
  return folders;
}

// The file that a shell would run.
std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  std::string found;
  for (const std::string& folder : folders_of_path()) {
    std::string file = fs::path(folder) / name;
    std::error_code ignored;
    if (access(file.c_str(), F_OK) == 0 && !fs::is_directory(file, ignored)) {
      if (access(file.c_str(), X_OK) == 0) return file;
      if (found.empty()) found = file;
    }
  }
  if (found.empty())
    throw Error(name, "there is no such program in the folders of PATH", "", kNotFound);
  return found;
}

std::string find_qemu_folder(const std::string& qemu) {
  std::vector<std::string> folders = folders_of_path();
  folders.insert(folders.end(), {"/usr/bin", "/usr/local/bin"});
  for (const std::string& folder : folders)
    if (folder.front() == '/' && access((fs::path(folder) / qemu).c_str(), X_OK) == 0)
      return folder;
  throw Error(qemu, "is not installed", "type: sudo apt-get install qemu-user", kCannotRun);
}

// Errors: Error if it can load no plug-in. What is not ELF at all is left to the system to refuse.
QemuFile usable_qemu(const std::string& path) {
  const QemuFile qemu = look_at_qemu(path);
  if (qemu.is_elf && !qemu.plugins) {
    throw Error(path,
                "cannot load plug-ins, which recording takes: it was built without them, as "
                "Debian 13's is",
                "put the folder of another in front of PATH: Debian 12's qemu-user, or a QEMU "
                "configured with --enable-plugins",
                kCannotRun);
  }
  return qemu;
}

// Sentences about what a recording with it lacks.
std::vector<std::string> lacks_of(const QemuFile& qemu, const RecordOptions& options) {
  std::vector<std::string> lacks;
  if (!qemu.memory)
    lacks.emplace_back(
        "this QEMU does not show what it has mapped for a program at its start: the trace has no "
        "image, and a replay takes what is touched for mapped");
  if (options.linux_placement && !qemu.placement)
    lacks.emplace_back("this QEMU cannot be told where mappings go: their places are QEMU's");
  if (!qemu.registers)
    lacks.emplace_back(
        "this QEMU does not show its registers: blocks that an exception ends are recorded whole, "
        "blocks of zeros and register windows that are stored at once are missing");
  return lacks;
}

void refuse(const Resolution& resolution) {
  const std::string& what = resolution.what;
  switch (resolution.refusal) {
    case Refusal::None:
      return;
    case Refusal::Errno:
      throw Error(what, fmt::format("cannot be run: {}", std::strerror(resolution.error)), "",
                  resolution.error == ENOENT ? kNotFound : kCannotRun);
    case Refusal::NotElf:
      throw Error(what, "cannot be run: neither an ELF program nor a script with a #! line", "",
                  kCannotRun);
    case Refusal::ForeignIsa:
      throw Error(what, "is for an instruction set that cannot be recorded",
                  fmt::format("what can be: {}", isa_names()), kCannotRun);
    case Refusal::Privileged:
      throw Error(what,
                  "has the rights of another user or group (set-user-ID, set-group-ID), which it "
                  "would not get under QEMU",
                  "record a copy of it without these rights, or as that user", kCannotRun);
    case Refusal::Unreadable:
      throw Error(what, "may be executed but not be read, which QEMU must", "", kCannotRun);
    case Refusal::TooManyScripts:
      throw Error(what, "scripts that are each run by another, too many in a row", "", kCannotRun);
  }
}

// Starts QEMU. Errors: Error if it cannot be.
pid_t start(std::vector<std::string> command, std::vector<std::string> environment) {
  std::array<int, 2> pipe_ends{};
  if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0)
    throw Error("", fmt::format("pipe: {}", std::strerror(errno)));
  const std::vector<char*> arguments = pointers(command);
  const std::vector<char*> variables = pointers(environment);
  const pid_t child = fork();
  if (child == 0) {
    // Ignored signals stay ignored over exec; this program ignores one for itself.
    std::signal(SIGPIPE, SIG_DFL);
    execve(arguments[0], arguments.data(), variables.data());
    const int error = errno;
    static_cast<void>(!write(pipe_ends[1], &error, sizeof error));
    _exit(kCannotRun);
  }
  const int fork_error = errno;
  close(pipe_ends[1]);
  int error = 0;
  const bool failed = child > 0 && read(pipe_ends[0], &error, sizeof error) > 0;
  close(pipe_ends[0]);
  if (child < 0) throw Error("", fmt::format("fork: {}", std::strerror(fork_error)));
  if (failed) {
    waitpid(child, nullptr, 0);
    throw Error(command.front(), fmt::format("cannot be started: {}", std::strerror(error)), "",
                kCannotRun);
  }
  return child;
}

// Each with the ISA it is for.
std::vector<std::string> of_isas(const std::vector<std::string>& arguments, const Isa& first) {
  std::vector<std::string> all;
  for (const std::string& argument : arguments) {
    const size_t colon = argument.find(':');
    const bool named =
        colon != std::string::npos && isa_named(argument.substr(0, colon)) != nullptr;
    all.push_back(named ? argument : fmt::format("{}:{}", first.name, argument));
  }
  return all;
}

trace::Header header_of(const RecordOptions& options, const Isa& isa, const QemuFile& qemu) {
  trace::Header header;
  header.isa = isa.name;
  header.big_endian = isa.big_endian;
  header.page = PageShift(isa.page_shift);
  for (const std::string& word : options.command)
    header.program += (header.program.empty() ? "" : " ") + word;
  constexpr size_t kMostProgram = 100'000;
  if (header.program.size() > kMostProgram) header.program.resize(kMostProgram);
  header.recorder = fmt::format("mmusim record {} (QEMU, qemu-{})", options.version, isa.qemu);
  header.notes = fmt::format(
      "Placement of mappings: {}. What the kernel reads and writes for a system call is not "
      "recorded. A child of vfork has a copy of the memory while it is recorded.",
      options.linux_placement && qemu.placement ? "as Linux has it, below a fixed top" : "QEMU's");
  return header;
}

// One descriptor per process is held while it lives. The program has started with the limit it
// would have had.
void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// One recording, from the start of the program to the end of its last child.
class Recording {
 public:
  Recording(const RecordOptions& options, const RecordProgress& progress)
      : options_(options), progress_(progress) {
    Program program;
    const std::string file = find_program(options.command.front());
    refuse_output_over({file}, options.output);
    refuse(resolve(file, options.command, program));
    isa_ = program.isa;
    if (!options.isa.empty() && options.isa != isa_->name) {
      throw Error(program.path,
                  fmt::format("is a program for {}, not for {}", isa_->name, options.isa), "",
                  kCannotRun);
    }
    memory_ = std::make_unique<ShareMemory>(2 * options.most_threads);
    Share& share = memory_->share();
    share.linux_placement = options.linux_placement ? 1 : 0;
    const std::string qemu = std::string("qemu-") + isa_->qemu;
    const std::string folder = find_qemu_folder(qemu);
    const QemuFile abilities = usable_qemu(fs::path(folder) / qemu);
    lacks_ = lacks_of(abilities, options);
    memory_->set_texts(find_plugin(), folder, of_isas(options.qemu_arguments, *isa_));
    std::vector<std::string> environment;
    for (char** variable = environ; *variable != nullptr; ++variable)
      environment.emplace_back(*variable);
    std::vector<std::string> command = qemu_command(share, program, environment);
    if (command.empty())
      throw UsageError("", "a variable LD_* of the environment has a comma in it", "unset it");
    trace::WriterOptions writer = options.writer;
    writer.keep_partial = true;
    writer_ = std::make_unique<trace::Writer>(options.output, header_of(options, *isa_, abilities),
                                              writer);
    collector_ = std::make_unique<Collector>(*writer_, *isa_, share, memory_->file());
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    handle_signals();
    try {
      first_ = start(std::move(command), std::move(environment));
    } catch (...) {
      writer_->abandon();
      throw;
    }
    raise_file_limit();
  }
  ~Recording() {
    if (memory_ != nullptr) memory_->stop();
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  RecordResult run();

 private:
  void look_around();
  void reap();
  void answer_signals();
  void watch_limits();
  void cut_short(const std::string& why);
  void sleep_until_rung(uint32_t bell);
  void kill_all();

  const RecordOptions& options_;
  const RecordProgress& progress_;
  const Isa* isa_ = nullptr;
  std::unique_ptr<ShareMemory> memory_;
  std::unique_ptr<trace::Writer> writer_;
  std::unique_ptr<Collector> collector_;
  pid_t first_ = 0;
  bool first_ended_ = false;
  int first_status_ = 0;
  int answered_ = 0;
  Clock::time_point told_;
  Clock::time_point starving_since_;
  bool starving_ = false;
  std::string cut_short_;
  std::vector<std::string> lacks_;
};

void Recording::reap() {
  for (int status = 0;;) {
    const pid_t child = waitpid(-1, &status, WNOHANG);
    if (child <= 0) return;
    if (child == first_) {
      first_ended_ = true;
      first_status_ = status;
    }
    collector_->ended(static_cast<uint32_t>(child), status);
  }
}

void Recording::kill_all() {
  for (const uint32_t process : collector_->processes())
    kill(static_cast<pid_t>(process), SIGKILL);
  if (!first_ended_) kill(first_, SIGKILL);
}

void Recording::cut_short(const std::string& why) {
  if (!cut_short_.empty()) return;
  cut_short_ = why;
  memory_->stop(true);
}

// The first is the program's to answer; the second ends it.
void Recording::answer_signals() {
  const int seen = pressed.load();
  if (seen == answered_) return;
  const bool first = answered_ == 0;
  answered_ = seen;
  if (first && !program_has_it.load() && !first_ended_) kill(first_, first_signal.load());
  if (seen > 1) cut_short("it was interrupted twice, and the programs were killed");
}

void Recording::watch_limits() {
  // Processes that wait for their second ring are none of the collector's yet.
  const bool starving = memory_->share().starved.load() != 0 && memory_->full();
  if (!starving) {
    starving_ = false;
    return;
  }
  if (!starving_) starving_since_ = Clock::now();
  starving_ = true;
  if (Clock::now() - starving_since_ > kStarvation) {
    cut_short(
        fmt::format("more than {} processes and threads lived at one time, and were killed "
                    "(--most-threads)",
                    options_.most_threads));
  }
}

void Recording::look_around() {
  if (child_ended.exchange(false)) reap();
  collector_->look_for_ends();
  answer_signals();
  watch_limits();
  if (!cut_short_.empty()) kill_all();
  const Clock::time_point now = Clock::now();
  if (now - told_ < kTellEvery) return;
  told_ = now;
  if (progress_) progress_(writer_->totals().instructions, collector_->running());
}

void Recording::sleep_until_rung(uint32_t bell) {
  Share& share = memory_->share();
  share.collector_sleeps.store(1);
  if (share.doorbell.load() == bell) {
    futex_wait(share.doorbell, bell,
               std::chrono::duration_cast<std::chrono::nanoseconds>(kLookEvery).count());
  }
  share.collector_sleeps.store(0);
}

RecordResult Recording::run() {
  Clock::time_point looked;
  for (;;) {
    const uint32_t bell = memory_->share().doorbell.load();
    const uint64_t words = collector_->collect();
    const Clock::time_point now = Clock::now();
    if (now - looked > kLookEvery || (words == 0 && child_ended.load())) {
      looked = now;
      look_around();
    }
    if (words >= kWorthCollecting || child_ended.load()) continue;
    if (first_ended_ && collector_->running() == 0 && collector_->collect() == 0) break;
    sleep_until_rung(bell);
  }
  RecordResult result;
  result.counts = collector_->counts();
  result.counts.unseen = memory_->share().unseen.load();
  result.counts.unplaced = memory_->share().unplaced.load();
  result.counts.unwatched = memory_->share().unwatched.load() != 0;
  if (result.counts.programs == 0) {
    writer_->abandon();
    throw Error(fmt::format("qemu-{}", isa_->qemu),
                "did not load the plug-in, or could not load the program; it said why above",
                "QEMU 7.2 as in Debian 12 is what was tried", kCannotRun);
  }
  writer_->finish();
  result.isa = isa_->name;
  result.totals = writer_->totals();
  result.file_bytes = writer_->bytes_written();
  result.cut_short = cut_short_;
  result.lacks = lacks_;
  result.status =
      WIFEXITED(first_status_) ? WEXITSTATUS(first_status_) : 128 + WTERMSIG(first_status_);
  return result;
}

}  // namespace

std::string isa_names() {
  std::string names;
  for (const Isa& isa : isas())
    names += fmt::format("{}{}", names.empty() ? "" : ", ", isa.name);
  return names;
}

RecordResult record(const RecordOptions& options, const RecordProgress& progress) {
  Recording recording(options, progress);
  return recording.run();
}

}  // namespace mmusim::record
