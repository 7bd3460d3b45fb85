// One process of a script on the real kernel, and how it is spoken to.
//
// A worker must not touch memory it has not touched before while something is measured: it
// allocates nothing, and what it needs of its own is faulted in beforehand.
//
// A thread is a process with its parent's memory (CLONE_VM), so that what it faults is counted to
// itself. It has a worker and a stack of its own, which are made beforehand.
//
// A vfork's child is a real one: it has its parent's memory, this object in it, and a stack of its
// own, and the parent sleeps. What an exec is to the script's memory, all of it gone, is an munmap
// for a process that has its memory to itself. A vfork's child cannot do that. Its successor goes
// on for it, a copy of a spare process that never had any of the script's memory, and it ends.
#ifndef MMUSIM_SIM_WORKLOAD_NATIVE_WORKER_H_
#define MMUSIM_SIM_WORKLOAD_NATIVE_WORKER_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <sys/types.h>
#include <vector>

#include "sim/workload/channel.h"
#include "sim/workload/native_options.h"
#include "sim/workload/outcome.h"
#include "sim/workload/places.h"
#include "sim/workload/plan.h"

namespace mmusim::sim::workload {

struct Command {  // so many steps follow; none: end
  uint64_t first = 0;
  uint64_t steps = 0;
};

struct Answer {
  // Forked is said by the parent, Vforked by the child, Succeeded by a vfork's child's successor.
  enum class Kind : uint8_t { Done, Failed, Placed, Forked, Vforked, Succeeded, Counted, Fatal };
  Kind kind = Kind::Done;
  unsigned process = 0;  // who says so
  uint64_t step = 0;
  int64_t result = 0;          // -errno or refused touches; from mmap_base; pid of the new process;
                               // errno
  const char* what = nullptr;  // fatal: what could not be done (the same text in every process)
  Counted counted;
};

class ThreadRooms;

class Worker {
 public:
  Worker(const NativeOptions& options, const Plan& plan, const std::vector<int>& files,
         const std::vector<Channel>& commands, const Channel& results, const Channel& successions,
         ThreadRooms& rooms);
  // Does what it is told as the first process until it is told to end, or nobody is left to tell
  // it.
  [[noreturn]] void run();
  // Makes successors, until nobody is left to want one.
  [[noreturn]] void run_spare();

  static constexpr size_t kMostSteps = 256;  // of one command

 private:
  struct Faults {
    int64_t minor = 0;
    int64_t major = 0;
    Faults operator-(const Faults& o) const { return {minor - o.minor, major - o.major}; }
    Faults& operator+=(const Faults& o) {
      minor += o.minor;
      major += o.major;
      return *this;
    }
  };
  struct Succession {
    unsigned process = 0;
    Faults faults;  // the script's, so far
  };
  // What a process is, where a vfork's child and its parent have one memory.
  struct Self {
    unsigned index = 0;
    Faults own_faults;           // that are not the script's
    bool shares_memory = false;  // with the parent that waits
    unsigned stacks = 0;         // of stacks_, those in use
  };

  void prepare();
  void serve();
  void obey();
  void step(const Step& step, uint64_t number);
  int64_t perform(const Step& symbolic, uint64_t number);
  int64_t map(const Step& step, uint64_t number);
  int64_t touch(const Step& step);
  // Steps about the whole process, or another one (native_self.cc).
  int64_t whole(const Step& step);
  int64_t fork_child(const Step& step, uint64_t number);
  int64_t vfork_child(const Step& step, uint64_t number);
  int64_t start_thread(const Step& step, uint64_t number);
  void forked(const Step& step, uint64_t number, pid_t pid);
  [[noreturn]] void start_vforked();
  int64_t wait_child(const Step& step);
  int64_t exec();

  // What a process does to itself and knows of itself (native_self.cc).
  void place_break();
  // Makes what forget_translations() needs.
  void make_forgetful();
  // Empties the processor's TLB of this memory. Where the kernel gives a page more rights it
  // flushes nothing: a weaker translation the processor still holds costs a fault that finds
  // nothing to do, and in a virtual machine a huge page may have one for each 4K.
  void forget_translations() const;
  // All above kNativeMmapBase is taken, so that the kernel places mappings below it; and the
  // process has kNativeAreas areas of its own.
  void furnish();
  void fill_above_base();
  void fill_border();
  int64_t unmap_script();
  template <class Visit>
  void for_each_area(Visit visit);
  uint64_t end_of_area_below(uint64_t start);
  int64_t vsyscall_lines();
  static constexpr int64_t kFurniture = 512;  // areas that furnish() can make, at most
  void fault_in_own_memory();
  void* forgotten_ = nullptr;  // kForgottenBytes of its own
  static Faults faults();
  void start_peak();
  Counted count();
  Counted count_all();
  void read_file(const char* path);

  [[noreturn]] void fatal(const char* what);
  void answer(Answer answer) const;

  const NativeOptions& options_;
  const Plan& plan_;
  const std::vector<int>& files_;
  const std::vector<Channel>& commands_;
  Channel results_;
  Channel successions_;
  std::vector<pid_t> children_;            // by process; 0: a predecessor's
  std::vector<std::vector<char>> stacks_;  // of vforks' children
  ThreadRooms& rooms_;
  std::shared_ptr<Places> places_;  // shared with threads; a fork's child has a copy, as of all
  Self self_;
  Counted base_;  // what is counted where there is nothing of the script
  Self child_;    // of a vfork, until it runs
  uint64_t child_step_ = 0;
  std::array<Step, kMostSteps> steps_{};
  std::array<char, 1 << 16> text_{};  // of files of /proc
};

// What threads have of their own: workers and stacks, by the number of their process.
class ThreadRooms {
 public:
  struct Room {
    std::unique_ptr<Worker> worker;
    std::vector<char> stack;
  };
  // For all threads of the plan. Workers are copies of `first`.
  void furnish(const Plan& plan, const Worker& first);
  // REQUIRES: the process is a thread.
  [[nodiscard]] Room& of(unsigned process) { return rooms_.at(process); }

 private:
  std::map<unsigned, Room> rooms_;
};

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_NATIVE_WORKER_H_
