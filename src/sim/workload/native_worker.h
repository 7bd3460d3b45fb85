// One process of a script on the real kernel, and how it is spoken to.
//
// A worker must not touch memory it has not touched before while something is measured: it
// allocates nothing, and what it needs of its own is faulted in beforehand.
#ifndef MMUSIM_SIM_WORKLOAD_NATIVE_WORKER_H_
#define MMUSIM_SIM_WORKLOAD_NATIVE_WORKER_H_

#include <array>
#include <cstdint>
#include <sys/types.h>
#include <vector>

#include "sim/workload/native.h"
#include "sim/workload/outcome.h"
#include "sim/workload/plan.h"

namespace mmusim::sim::workload {

struct Command {  // so many steps follow; none: end
  uint64_t first = 0;
  uint64_t steps = 0;
};

struct Answer {
  enum class Kind : uint8_t { Done, Failed, Forked, Counted, Fatal };
  Kind kind = Kind::Done;
  unsigned process = 0;  // who says so
  uint64_t step = 0;
  int64_t result = 0;          // -errno or refused touches; pid of the child; errno
  const char* what = nullptr;  // fatal: what could not be done (the same text in every process)
  Counted counted;
};

// A pipe of records with one reader. Several may write records, which are smaller than PIPE_BUF.
struct Channel {
  int read_end = -1;
  int write_end = -1;

  static Channel make();  // Errors: Error
  void close_both() const;
  template <class Record>
  bool send(const Record& record) const {
    return put(&record, sizeof record);
  }
  template <class Record>
  bool receive(Record& record) const {
    return get(&record, sizeof record);
  }
  bool put(const void* bytes, size_t size) const;
  bool get(void* bytes, size_t size) const;
};

class Worker {
 public:
  Worker(const NativeOptions& options, bool moves_break, const std::vector<int>& files,
         const std::vector<Channel>& commands, const Channel& results);
  // Does what it is told as the first process until it is told to end, or nobody is left to tell
  // it.
  [[noreturn]] void run();

  static constexpr size_t kMostSteps = 256;  // of one command

 private:
  void serve();
  void step(const Step& step, uint64_t number);
  int64_t perform(const Step& step, uint64_t number);
  int64_t touch(const Step& step);
  int64_t fork_child(const Step& step, uint64_t number);
  int64_t wait_child(const Step& step);
  int64_t exec();
  void place_break();
  void read_file(const char* path);
  void fault_in_own_memory();
  Counted count();
  [[noreturn]] void fatal(const char* what);
  void answer(Answer answer) const;

  const NativeOptions& options_;
  bool moves_break_;
  const std::vector<int>& files_;
  const std::vector<Channel>& commands_;
  Channel results_;
  std::vector<pid_t> children_;  // by process
  unsigned index_ = 0;
  int64_t own_faults_ = 0;  // minor faults that are not the script's
  std::array<Step, kMostSteps> steps_{};
  std::array<char, 1 << 16> text_{};  // of files of /proc
};

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_NATIVE_WORKER_H_
