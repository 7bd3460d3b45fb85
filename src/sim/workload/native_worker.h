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

#include "sim/workload/outcome.h"
#include "sim/workload/script.h"

namespace mmusim::sim::workload {

struct Command {  // do these steps; none: exit
  uint64_t first = 0;
  uint64_t last = 0;
};

struct Answer {
  enum class Kind : uint8_t { Done, Failed, Forked, Counted, Fatal };
  Kind kind = Kind::Done;
  unsigned process = 0;  // who says so
  uint64_t step = 0;
  int64_t result = 0;  // -errno or refused touches; pid of the child; errno
  Counted counted;
};

// A pipe of records. Writes of a record are whole, since it is smaller than PIPE_BUF.
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

 private:
  bool put(const void* bytes, size_t size) const;
  bool get(void* bytes, size_t size) const;
};

class Worker {
 public:
  Worker(const Plan& plan, const std::vector<int>& files, const std::vector<Channel>& commands,
         const Channel& results);
  // Does what it is told as process `index` until it is told to exit, or nobody is left to tell it.
  [[noreturn]] void run(unsigned index);

 private:
  void serve();
  void step(uint64_t number);
  int64_t perform(const Step& step, uint64_t number);
  int64_t touch(const Step& step);
  int64_t fork_child(const Step& step, uint64_t number);
  int64_t wait_child(const Step& step);
  void fault_in_own_memory();
  Counted count();
  [[noreturn]] void fatal();
  void answer(Answer answer) const;

  const Plan& plan_;
  const std::vector<int>& files_;
  const std::vector<Channel>& commands_;
  Channel results_;
  std::vector<pid_t> children_;  // by process index
  unsigned index_ = 0;
  int64_t own_faults_ = 0;            // minor faults that are not the script's
  std::array<char, 1 << 16> text_{};  // of files of /proc
};

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_NATIVE_WORKER_H_
