#include "pt/conformance/isolate.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
#include <fcntl.h>
#include <iterator>
#include <poll.h>
#include <string>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "base/interrupt.h"

namespace mmusim::pt::conformance {
namespace {

[[noreturn]] void no_process(const char* what) {
  throw Error("", fmt::format("cannot {} to run the check in: {}", what, std::strerror(errno)));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

void write_all(int fd, const std::string& text) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n <= 0) return;
    done += static_cast<size_t>(n);
  }
}

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer.data(), static_cast<size_t>(n));
  }
}

// Memory both have.
class SharedReached {
 public:
  SharedReached()
      : memory_(::mmap(nullptr, sizeof(Reached), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                       -1, 0)) {
    if (memory_ == MAP_FAILED) no_process("share memory with a process");
    new (memory_) Reached;
  }
  ~SharedReached() { ::munmap(memory_, sizeof(Reached)); }
  SharedReached(const SharedReached&) = delete;
  SharedReached& operator=(const SharedReached&) = delete;
  [[nodiscard]] Reached& get() { return *static_cast<Reached*>(memory_); }

 private:
  void* memory_;
};

// A child, which does not outlive this.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {
    if (::clock_getcpuclockid(pid, &clock_) != 0) clock_ = CLOCK_MONOTONIC;
  }
  ~Child() {
    kill();
    static_cast<void>(wait());
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  void kill() const {
    if (pid_ != 0) ::kill(pid_, SIGKILL);
  }
  // Its status at the end.
  int wait() {
    while (pid_ != 0 && ::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return status_;
  }
  // Processor time it used.
  [[nodiscard]] std::chrono::nanoseconds used() const {
    timespec time{};
    ::clock_gettime(clock_, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }

 private:
  pid_t pid_;
  clockid_t clock_ = CLOCK_MONOTONIC;
  int status_ = 0;
};

// Whether one piece of work takes longer than it may: of processor time, or, where it waits for
// something, of time in which this process was awake, too, as both may be stopped together.
class Patience {
 public:
  static constexpr std::chrono::milliseconds kLook{20};  // between looks, at least

  Patience(const Limits& limits, const Child& child, const Reached& reached)
      : limits_(limits), child_(child), reached_(reached) {}
  // To be asked at each look. What it has waited for, if that was too long.
  std::optional<std::string> lost() {
    const uint64_t now = reached_.progress + reached_.journal.progress;
    if (now != progress_ || looks_ == 0) {
      progress_ = now;
      looks_ = 0;
      used_ = child_.used();
    }
    ++looks_;
    if (child_.used() - used_ > limits_.piece) return text_of(limits_.piece) + " of processor time";
    const auto longest = 10 * limits_.piece;
    if (looks_ * kLook > longest) return text_of(longest);
    return std::nullopt;
  }

 private:
  static std::string text_of(std::chrono::nanoseconds time) {
    return fmt::format("{} seconds",
                       std::chrono::duration_cast<std::chrono::seconds>(time).count());
  }

  const Limits& limits_;
  const Child& child_;
  const Reached& reached_;
  uint64_t progress_ = 0;
  int64_t looks_ = 0;  // since the last progress
  std::chrono::nanoseconds used_{};
};

// What a child that came to its end says first; one that says nothing did not.
constexpr char kKept = 'k';
constexpr char kBroken = 'b';

// Three texts with a zero byte behind each.
std::string pack(const Broken& broken) {
  std::string text(1, kBroken);
  for (const std::string* const part : {&broken.promise, &broken.expected, &broken.came}) {
    text += *part;
    text += '\0';
  }
  return text;
}
Broken unpack(const std::string& text) {
  Broken broken;
  size_t begin = 1;
  for (std::string* const part : {&broken.promise, &broken.expected, &broken.came}) {
    const size_t end = text.find('\0', begin);
    *part = text.substr(begin, end - begin);
    begin = end + 1;
  }
  return broken;
}

[[noreturn]] void child(int out, int errors, Reached& reached,
                        const std::function<void(Reached&)>& work) {
  // Ctrl-C reaches the parent, which ends this one; a crash leaves no core behind.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    std::signal(signal, SIG_IGN);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL})
    std::signal(signal, SIG_DFL);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::dup2(errors, STDOUT_FILENO);
  ::dup2(errors, STDERR_FILENO);
  std::optional<Broken> broken;
  try {
    work(reached);
  } catch (const Broken& what) {
    broken = what;
  } catch (const std::exception& what) {
    broken = {promise::kAlive, "no exception", what.what()};
  } catch (...) {
    broken = {promise::kAlive, "no exception", "one of an unknown type"};
  }
  // What a destructor met came before what it left behind.
  if (std::string kept = kept_failure(); !kept.empty())
    broken = {promise::kAlive, "no exception", std::move(kept)};
  write_all(out, broken ? pack(*broken) : std::string(1, kKept));
  ::_exit(0);
}

// The last line a dying process wrote, which is where an assertion says what was wrong.
std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  const size_t begin = text.rfind('\n');
  text = begin == std::string::npos ? text : text.substr(begin + 1);
  return text.size() > 300 ? text.substr(0, 300) + "..." : text;
}

}  // namespace

Outcome isolated(const Limits& limits, Reached& reached,
                 const std::function<void(Reached&)>& work) {
  SharedReached shared;
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) no_process("make a pipe to a process");
  Descriptor in(pipe[0]);
  Descriptor out(pipe[1]);
  const Descriptor errors(::memfd_create("stderr", MFD_CLOEXEC));
  if (errors.get() < 0) no_process("keep the messages of a process");

  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) no_process("make a process");
  if (pid == 0) child(out.get(), errors.get(), shared.get(), work);
  out.close();
  Child process(pid);
  Patience patience(limits, process, shared.get());
  Outcome outcome;
  std::optional<std::string> lost;
  // The pipe speaks, or is closed, when there is an end.
  pollfd waiting{.fd = in.get(), .events = POLLIN, .revents = 0};
  while (::poll(&waiting, 1, static_cast<int>(Patience::kLook.count())) <= 0) {
    check_interrupt();
    outcome.out_of_time = Clock::now() >= limits.deadline;
    if (!outcome.out_of_time) lost = patience.lost();
    if (!lost && !outcome.out_of_time) continue;
    process.kill();
    break;
  }
  const std::string said = read_all(in.get());
  const int status = process.wait();
  reached.seed = shared.get().seed;
  reached.step = shared.get().step;
  reached.operations = shared.get().operations;
  std::copy(std::begin(shared.get().answer), std::end(shared.get().answer), reached.answer);
  reached.journal = shared.get().journal;

  if (outcome.out_of_time) return outcome;
  if (lost) {
    outcome.broken = Broken{promise::kAlive, "an end", "none within " + *lost};
    return outcome;
  }
  if (!said.empty()) {
    if (said.front() == kBroken) outcome.broken = unpack(said);
    return outcome;
  }
  ::lseek(errors.get(), 0, SEEK_SET);
  const std::string message = last_line(read_all(errors.get()));
  std::string came = WIFSIGNALED(status) ? fmt::format("signal {} ({})", WTERMSIG(status),
                                                       ::strsignal(WTERMSIG(status)))
                                         : fmt::format("exit with status {}", WEXITSTATUS(status));
  if (!message.empty()) came += ": " + message;
  outcome.broken =
      Broken{promise::kAlive, WIFSIGNALED(status) ? "no crash" : "that calls come back", came};
  return outcome;
}

}  // namespace mmusim::pt::conformance
