#include "pt/conformance/isolate.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

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

// Three texts with a zero byte behind each.
std::string pack(const Broken& broken) {
  std::string text;
  for (const std::string* const part : {&broken.promise, &broken.expected, &broken.came}) {
    text += *part;
    text += '\0';
  }
  return text;
}
Broken unpack(const std::string& text) {
  Broken broken;
  size_t begin = 0;
  for (std::string* const part : {&broken.promise, &broken.expected, &broken.came}) {
    const size_t end = text.find('\0', begin);
    *part = text.substr(begin, end - begin);
    begin = end + 1;
  }
  return broken;
}

[[noreturn]] void child(unsigned seconds, int out, int errors, Reached& reached,
                        const std::function<void(Reached&)>& work) {
  // A stop by Ctrl-C reaches the parent too, which then ends; a crash leaves no core behind.
  for (const int signal : {SIGINT, SIGTERM, SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM})
    std::signal(signal, SIG_DFL);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::dup2(errors, STDERR_FILENO);
  ::alarm(seconds);
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
  if (broken) write_all(out, pack(*broken));
  ::_exit(broken ? 1 : 0);
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

std::optional<Broken> isolated(unsigned seconds, Reached& reached,
                               const std::function<void(Reached&)>& work) {
  void* const memory =
      ::mmap(nullptr, sizeof(Reached), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) no_process("share memory with a process");
  auto* const shared = new (memory) Reached;
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) no_process("make a pipe to a process");
  Descriptor in(pipe[0]);
  Descriptor out(pipe[1]);
  const Descriptor errors(::memfd_create("stderr", MFD_CLOEXEC));
  if (errors.get() < 0) no_process("keep the messages of a process");

  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) no_process("make a process");
  if (pid == 0) child(seconds, out.get(), errors.get(), *shared, work);
  out.close();
  const std::string said = read_all(in.get());
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  reached.seed = shared->seed;
  reached.step = shared->step;
  reached.operations = shared->operations;
  ::munmap(memory, sizeof(Reached));

  if (!said.empty()) return unpack(said);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return std::nullopt;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
    return Broken{promise::kAlive, "an end", fmt::format("none within {} seconds", seconds)};
  ::lseek(errors.get(), 0, SEEK_SET);
  const std::string message = last_line(read_all(errors.get()));
  std::string came = WIFSIGNALED(status) ? fmt::format("signal {} ({})", WTERMSIG(status),
                                                       ::strsignal(WTERMSIG(status)))
                                         : fmt::format("exit with status {}", WEXITSTATUS(status));
  if (!message.empty()) came += ": " + message;
  return Broken{promise::kAlive, "no crash", came};
}

}  // namespace mmusim::pt::conformance
