// The coordinator: makes the processes, tells them what to do, and gathers what they counted.
#include "sim/workload/native.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"
#include "sim/workload/native_worker.h"

namespace mmusim::sim::workload {

namespace {

[[noreturn]] void fail(const std::string& what) {
  throw Error("native", fmt::format("{}: {}", what, std::strerror(errno)));
}

// Files of the script: in memory (tmpfs), all pages there.
class Files {
 public:
  explicit Files(const Plan& plan) {
    const std::vector<char> zeros(size_t{1} << 20);
    for (const Plan::File& file : plan.files) {
      const int fd = memfd_create(file.name.c_str(), MFD_CLOEXEC);
      if (fd < 0) fail("cannot make a file in memory");
      fds_.push_back(fd);
      for (uint64_t done = 0; done < file.bytes;) {
        const ssize_t n =
            write(fd, zeros.data(), std::min<uint64_t>(zeros.size(), file.bytes - done));
        if (n <= 0) fail("cannot fill a file in memory");
        done += static_cast<uint64_t>(n);
      }
    }
  }
  ~Files() {
    for (const int fd : fds_)
      close(fd);
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  [[nodiscard]] const std::vector<int>& fds() const { return fds_; }

 private:
  std::vector<int> fds_;
};

class Coordinator {
 public:
  explicit Coordinator(const Plan& plan) : plan_(plan), files_(plan) {
    pids_.assign(plan.processes.size(), 0);
    channels_.resize(plan.processes.size());
    for (Channel& channel : channels_)
      channel = Channel::make();
    results_ = Channel::make();
    pids_[0] = fork();
    if (pids_[0] < 0) fail("cannot make a process");
    if (pids_[0] == 0) {
      setpgid(0, 0);
      Worker(plan_, files_.fds(), channels_, results_).run(0);
    }
    setpgid(pids_[0], pids_[0]);
  }
  ~Coordinator() {
    kill(-pids_[0], SIGKILL);
    kill(pids_[0], SIGKILL);
    waitpid(pids_[0], nullptr, 0);
    for (const Channel& channel : channels_)
      channel.close_both();
    results_.close_both();
  }
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  Outcome run() {
    outcome_.measures.resize(plan_.measures.size());
    hear(0);  // it is ready
    for (size_t i = 0; i < plan_.steps.size();) {
      check_interrupt();
      // As many steps as one process makes in a row; a fork ends them, since the child must be
      // heard of before it is told anything.
      const unsigned process = plan_.steps[i].process;
      size_t end = i;
      while (end < plan_.steps.size() && plan_.steps[end].process == process &&
             end - i < kMostInARow) {
        ++end;
        if (plan_.steps[end - 1].kind == Step::Kind::Fork) break;
      }
      channels_[process].send(Command{.first = i, .last = end});
      hear(process);
      i = end;
    }
    return std::move(outcome_);
  }

 private:
  static constexpr size_t kMostInARow = 4096;

  // Takes in what the process says until it is done, and until those it made are ready.
  void hear(unsigned process) {
    bool done = false;
    unsigned made = 0;
    unsigned ready = 0;
    while (!done || ready < made) {
      const Answer answer = next_answer(process);
      switch (answer.kind) {
        case Answer::Kind::Done:
          if (answer.process == process)
            done = true;
          else
            ++ready;
          break;
        case Answer::Kind::Failed:
          outcome_.failures.push_back({answer.step, answer.result});
          break;
        case Answer::Kind::Forked:
          pids_[plan_.steps[answer.step].other] = static_cast<pid_t>(answer.result);
          ++made;
          break;
        case Answer::Kind::Counted:
          take(plan_.steps[answer.step], answer.counted);
          break;
        case Answer::Kind::Fatal:
          errno = static_cast<int>(answer.result);
          fail(fmt::format("process '{}' cannot go on", plan_.processes[answer.process]));
      }
    }
  }

  void take(const Step& step, const Counted& now) {
    Counted& measure = outcome_.measures[step.other];
    if (step.kind == Step::Kind::Begin) {
      measure = now;
      return;
    }
    measure = {now.minor_faults - measure.minor_faults, now.anonymous - measure.anonymous,
               now.file - measure.file, now.tables - measure.tables, now.areas - measure.areas};
  }

  Answer next_answer(unsigned process) {
    constexpr int kMilliseconds = 500;
    while (true) {
      pollfd wait{.fd = results_.read_end, .events = POLLIN, .revents = 0};
      const int ready = poll(&wait, 1, kMilliseconds);
      check_interrupt();
      if (ready > 0) {
        Answer answer;
        if (results_.receive(answer)) return answer;
        fail("lost the processes");
      }
      if (ready < 0 && errno != EINTR) fail("cannot wait for the processes");
      if (is_dead(pids_[process]))
        throw Error("native", fmt::format("process '{}' died", plan_.processes[process]),
                    "killed, or out of memory?");
    }
  }

  static bool is_dead(pid_t pid) {
    std::array<char, 512> text{};
    const int fd = open(fmt::format("/proc/{}/stat", pid).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return true;
    const ssize_t n = read(fd, text.data(), text.size() - 1);
    close(fd);
    const char* state = n <= 0 ? nullptr : std::strrchr(text.data(), ')');
    return state == nullptr || std::strlen(state) < 3 || state[2] == 'Z' || state[2] == 'X';
  }

  const Plan& plan_;
  Files files_;
  std::vector<Channel> channels_;
  Channel results_;
  std::vector<pid_t> pids_;
  Outcome outcome_;
};

}  // namespace

Outcome run_native(const Plan& plan) {
  return Coordinator(plan).run();
}

NativeFeatures native_features() {
  const Plan plan =
      unroll(parse("map a 6M at 0\n"
                   "touch a write\n"
                   "measure \"a table emptied\" { advise a[2M..4M] dontneed }\n",
                   "the test for reclaimed tables"));
  NativeFeatures features;
  features.pt_reclaim = run_native(plan).measures[0].tables < 0;
  return features;
}

}  // namespace mmusim::sim::workload
