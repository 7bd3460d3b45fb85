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
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/units.h"
#include "sim/workload/native_memory.h"
#include "sim/workload/native_worker.h"

namespace mmusim::sim::workload {

namespace {

[[noreturn]] void fail(const std::string& what) {
  throw Error("native", fmt::format("{}: {}", what, std::strerror(errno)));
}

// Files of the script, all pages there: in memory (tmpfs) or nameless in a directory.
class Files {
 public:
  Files(const Plan& plan, const std::string& directory) {
    uint64_t total = 0;
    for (const Plan::File& file : plan.files)
      total += file.bytes;
    if (total > kMost)
      throw Error("native",
                  fmt::format("the files of {} have {} in all; they are made whole, and {} is the "
                              "most",
                              plan.name(), format_size(total), format_size(kMost)));
    for (const Plan::File& file : plan.files)
      fds_.push_back(make(file, directory));
  }
  ~Files() {
    for (const int fd : fds_)
      close(fd);
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  [[nodiscard]] const std::vector<int>& fds() const { return fds_; }

 private:
  static constexpr uint64_t kMost = uint64_t{4} << 30;

  static int make(const Plan::File& file, const std::string& directory) {
    const int fd = file.on_disk ? open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
                                : memfd_create(file.name.c_str(), MFD_CLOEXEC);
    if (fd < 0)
      fail(file.on_disk ? fmt::format("cannot make a file in {}", directory)
                        : std::string("cannot make a file in memory"));
    const std::vector<char> zeros(std::min<uint64_t>(file.bytes, uint64_t{1} << 20));
    for (uint64_t done = 0; done < file.bytes;) {
      const ssize_t n =
          write(fd, zeros.data(), std::min<uint64_t>(zeros.size(), file.bytes - done));
      if (n <= 0) fail("cannot fill a file");
      done += static_cast<uint64_t>(n);
    }
    // What is still to be written back is write-protected while that goes on, whenever it does.
    if (file.on_disk) fsync(fd);
    return fd;
  }

  std::vector<int> fds_;
};

class Coordinator {
 public:
  Coordinator(const Plan& plan, const NativeOptions& options)
      : plan_(plan),
        files_(plan, options.directory),
        memory_(options.memory != 0 ? options.memory : default_native_memory()) {
    pids_.assign(plan.processes, 0);
    channels_.resize(plan.processes);
    for (Channel& channel : channels_)
      channel = Channel::make();
    results_ = Channel::make();
    successions_ = Channel::make();
    shares_memory_.assign(plan.processes, false);
    parents_.assign(plan.processes, 0);
    ThreadRooms rooms;
    Worker worker(options, plan_, files_.fds(), channels_, results_, successions_, rooms);
    rooms.furnish(plan_, worker);
    pids_[0] = start([&] { worker.run(); });
    if (plan_.vforks != 0) spare_ = start([&] { worker.run_spare(); });
  }
  ~Coordinator() {
    kill(-pids_[0], SIGKILL);
    kill(pids_[0], SIGKILL);
    waitpid(pids_[0], nullptr, 0);
    if (spare_ != 0) waitpid(spare_, nullptr, 0);
    successions_.close_both();
    for (const Channel& channel : channels_)
      channel.close_both();
    results_.close_both();
  }
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  Outcome run() {
    outcome_.measures.resize(plan_.measures.size());
    hear(0, 1, pids_[0]);  // it is ready
    for_each_step(plan_, [&](const Step& step) {
      ++number_;
      if (pids_[step.process] == 0) return;  // its fork failed
      if (!batch_.empty() &&
          (batch_.front().process != step.process || batch_.size() == Worker::kMostSteps))
        carry_out();
      if (batch_.empty()) first_ = number_;
      batch_.push_back(step);
      // A child must be heard of before it is told anything; one that exits says nothing more.
      if (step.kind == Step::Kind::Fork || step.kind == Step::Kind::Vfork ||
          step.kind == Step::Kind::Thread || leaves_memory(step))
        carry_out();
    });
    carry_out();
    return std::move(outcome_);
  }

 private:
  // A process of the script's group, whose first is the first of them.
  template <class Run>
  pid_t start(Run run) {
    const pid_t pid = fork();
    if (pid < 0) fail("cannot make a process");
    if (pid == 0) {
      setpgid(0, pids_[0]);
      run();
    }
    setpgid(pid, pids_[0] == 0 ? pid : pids_[0]);
    return pid;
  }

  // After such a step a process says nothing more, though a successor may.
  [[nodiscard]] bool leaves_memory(const Step& step) const {
    return step.kind == Step::Kind::Exit ||
           (step.kind == Step::Kind::Exec && shares_memory_[step.process]);
  }

  void carry_out() {
    if (batch_.empty()) return;
    check_interrupt();
    const unsigned process = batch_.front().process;
    const Command command{.first = first_, .steps = batch_.size()};
    if (!channels_[process].send(command) ||
        !channels_[process].put(batch_.data(), batch_.size() * sizeof(Step)))
      fail("lost the processes");
    int awaited = 1;
    pid_t last = pids_[process];  // to say something
    if (shares_memory_[process] && leaves_memory(batch_.back())) {
      shares_memory_[process] = false;
      ++awaited;  // the parent, which goes on
      last = pids_[parents_[process]];
      if (batch_.back().kind == Step::Kind::Exec) {
        ++awaited;  // the successor
        pids_[process] = spare_;
      }
    }
    if (batch_.back().kind == Step::Kind::Vfork) parents_[batch_.back().other] = process;
    hear(process, awaited, last);
    if (batch_.back().kind == Step::Kind::Wait) pids_[batch_.back().other] = 0;
    batch_.clear();
  }

  // Takes in what the process and those it makes say, until it and so many in all, and those it
  // makes, are done or ready. `last`: one that does not end before.
  void hear(unsigned process, int awaited, pid_t last) {
    unsigned speaker = process;
    for (bool said = false; awaited > 0 || !said;) {
      const Answer answer = next_answer(last);
      switch (answer.kind) {
        case Answer::Kind::Done:
          --awaited;
          said = said || answer.process == speaker;
          break;
        case Answer::Kind::Failed: {
          const Step& step = step_of(answer);
          outcome_.add({answer.step, step.kind, step.at, answer.result});
          break;
        }
        case Answer::Kind::Placed:
          outcome_.places.push_back({answer.step, step_of(answer).at, answer.result});
          break;
        case Answer::Kind::Forked:
          pids_[step_of(answer).other] = static_cast<pid_t>(answer.result);
          ++awaited;
          break;
        case Answer::Kind::Vforked:  // that it is ready stands for that its parent is done
          speaker = answer.process;
          shares_memory_[answer.process] = true;
          pids_[answer.process] = static_cast<pid_t>(answer.result);
          break;
        case Answer::Kind::Succeeded:
          pids_[answer.process] = static_cast<pid_t>(answer.result);
          break;
        case Answer::Kind::Counted:
          take(step_of(answer), answer.counted);
          break;
        case Answer::Kind::Fatal:
          errno = static_cast<int>(answer.result);
          fail(fmt::format("this computer does not let a process {}", answer.what));
      }
    }
  }

  [[nodiscard]] const Step& step_of(const Answer& answer) const {
    return batch_[answer.step - first_];
  }

  void take(const Step& step, const Counted& now) {
    Counted& measure = outcome_.measures[step.other];
    measure = step.kind == Step::Kind::Begin ? now : now - measure;
  }

  Answer next_answer(pid_t last) {
    constexpr int kMilliseconds = 50;
    for (bool died = false; true; died = is_dead(last)) {
      memory_.check(pids_);
      pollfd wait{.fd = results_.read_end, .events = POLLIN, .revents = 0};
      const int ready = poll(&wait, 1, died ? 0 : kMilliseconds);
      check_interrupt();
      if (ready > 0) {
        Answer answer;
        if (results_.receive(answer)) return answer;
        fail("lost the processes");
      }
      if (ready < 0 && errno != EINTR) fail("cannot wait for the processes");
      // What it said before its end may have come after the look before: one that exits says so.
      if (died && ready == 0)
        throw Error("native", "a process of the script died", "killed, or out of memory?");
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
  NativeMemoryWatch memory_;
  std::vector<Channel> channels_;
  Channel results_;
  Channel successions_;
  std::vector<pid_t> pids_;  // by process; 0: does not exist
  pid_t spare_ = 0;
  std::vector<unsigned> parents_;    // of vforks, by child
  std::vector<bool> shares_memory_;  // by process: a vfork's child, whose parent waits
  std::vector<Step> batch_;          // what one process is told next
  uint64_t number_ = 0;
  uint64_t first_ = 0;  // number of the first of them
  Outcome outcome_;
};

}  // namespace

Outcome run_native(const Plan& plan, const NativeOptions& options) {
#ifndef __x86_64__
  if (plan.executes)
    throw Error("native", fmt::format("{} touches memory by executing it, which is only known for "
                                      "x86-64",
                                      plan.name()));
#endif
  const uint64_t free = plan.huge_pages == 0 ? 0 : huge_pages_free();
  if (free < plan.huge_pages)
    throw Error("native",
                fmt::format("{} needs {} huge pages of the kernel's pool, and this computer has {} "
                            "free",
                            plan.name(), plan.huge_pages, free),
                fmt::format("as root: sysctl vm.nr_hugepages={}", plan.huge_pages));
  return Coordinator(plan, options).run();
}

}  // namespace mmusim::sim::workload
