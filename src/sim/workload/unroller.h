// From statements to steps: what plan.h offers is made by one of these (internal).
//
// Statements are carried out in order, blocks as often as they are run, and each thing a kernel is
// to do is handed to `visit`. The same script makes the same steps each time. What is a mistake of
// the script is said with line and column; what a kernel would refuse is left to the kernel.
#ifndef MMUSIM_SIM_WORKLOAD_UNROLLER_H_
#define MMUSIM_SIM_WORKLOAD_UNROLLER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "sim/workload/names.h"
#include "sim/workload/plan.h"

namespace mmusim::sim::workload {

class Unroller : private Names {
 public:
  // Both must outlive it. Adds to the plan what its script's steps need.
  Unroller(Plan& plan, const std::function<void(const Step&)>& visit, uint64_t most_steps)
      : Names(plan.script.name), plan_(plan), visit_(visit), most_steps_(most_steps) {}

  // Errors: UsageError.
  void run();

 private:
  void emit(Step step, Step::Kind kind, unsigned process, Position at);

  void count_run(Position at);

  // Blocks (unroll.cc).
  void block(const std::vector<Statement>& statements, unsigned process, unsigned depth);
  void one(const Statement& s, unsigned process, unsigned depth);
  void run_block(const Statement& s, unsigned process, unsigned depth);
  void repeat(const Statement& s, unsigned process, unsigned depth);
  void measure(const Statement& s, unsigned process, unsigned depth);

  // Memory (unroll_memory.cc).
  unsigned file(const std::string& name);
  void declare_file(const Statement& s, unsigned process);
  // truncate, hole.
  void change_file(const Statement& s, unsigned process);
  // What says something about a whole process.
  void whole(Step::Kind kind, const Statement& s, unsigned process);
  void advise(const Statement& s, unsigned process);
  void map(const Statement& s, unsigned process);
  uint64_t anywhere(uint64_t bytes, Position at);
  void unmap(const Statement& s, unsigned process);
  void touch(const Statement& s, unsigned process);
  // Anything that is done to a part and says all with its numbers.
  void simple(Step::Kind kind, const Statement& s, unsigned process);
  void resize(const Statement& s, unsigned process);
  void move(const Statement& s, unsigned process);
  void duplicate(const Statement& s, unsigned process);
  void brk(const Statement& s, unsigned process);

  // Processes (unroll_processes.cc).
  unsigned new_process(const Statement& s, const std::string& name);
  unsigned new_child(const Statement& s, unsigned parent);
  void fork(const Statement& s, unsigned parent, unsigned depth);
  void fork_and_wait(const Statement& s, unsigned parent, unsigned depth);  // vfork
  void thread(const Statement& s, unsigned parent, unsigned depth);
  [[nodiscard]] bool shares_with_thread(unsigned process) const;
  void pin(const Statement& s, unsigned process);
  void leave_memory(unsigned process);
  void exec(const Statement& s, unsigned process);
  void exit(unsigned process, Position at);
  void wait_for(unsigned child, unsigned parent, Position at);

  Plan& plan_;
  const std::function<void(const Step&)>& visit_;
  uint64_t most_steps_;
  uint64_t steps_ = 0;
  unsigned anywhere_ = 0;  // segments left to the kernel
  unsigned vforks_ = 0;    // parents that wait
  // Statements, since some make no step, and blocks, since some are empty: every script ends, and
  // soon.
  uint64_t run_ = 0;
  std::map<std::string, const Statement*> blocks_;
  std::map<std::string, unsigned> segment_numbers_;  // in Plan::segments
  std::set<std::string> declared_files_;
  std::set<std::string> used_files_;
};

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_UNROLLER_H_
