// The processes of a trace and their areas, as its events tell them, up to any point of it. Follows
// what the kernel model does with recorded events (src/kernel/replay.h): calls that failed do
// nothing, those that succeeded are believed, and what makes no sense is left out.
//
// Memory: the areas of living processes; beyond kMostAreas of them, or kMostNameBytes, those of a
// process that gets more are given up (Space::followed), so that a hostile trace cannot ask for any
// amount. Not thread-safe.
#ifndef MMUSIM_TRACE_PROCESSES_H_
#define MMUSIM_TRACE_PROCESSES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "trace/areas.h"
#include "trace/file_identity.h"
#include "trace/record.h"

namespace mmusim::trace {

// How many areas there are in all spaces together: each adds its own, and takes them away with it.
class AreaCount {
 public:
  explicit AreaCount(std::shared_ptr<size_t> all) : all_(std::move(all)) {}
  AreaCount(const AreaCount& other) : all_(other.all_) {}
  AreaCount& operator=(const AreaCount&) = delete;
  ~AreaCount() { *all_ -= mine_; }
  // The sum, once this space has `mine`.
  size_t set(size_t mine) {
    *all_ += mine - mine_;
    mine_ = mine;
    return *all_;
  }

 private:
  std::shared_ptr<size_t> all_;
  size_t mine_ = 0;
};

// An address space; shared by vfork's child until its exec.
struct Space {
  explicit Space(std::shared_ptr<size_t> all) : count(std::move(all)) {}

  AreaCount count;
  AreaMap areas;
  bool began = false;     // with an exec
  bool recorded = false;  // whose image was told: what is not in `areas` is not there
  bool followed = true;   // false: too many areas, none is known any more
  std::string program;
  std::vector<std::string> arguments;
  VirtAddr brk_start;  // 0: not known
  VirtAddr brk;
  VirtAddr stack_top;                      // as the exec has it
  Area::Lock lock_new = Area::Lock::None;  // what new areas get (mlockall)
  std::optional<ThpEvent> thp{};

  // The bytes a stack may still grow into, right below it: accesses there make it grow. Empty:
  // none.
  [[nodiscard]] VirtRange stack_room() const;
};

struct ProcessThread {
  uint64_t clone_flags = 0;    // of the call that made it
  std::optional<CpuId> cpu{};  // where it went on last
};

struct Process {
  Pid pid;
  std::optional<Pid> parent{};  // while it lives
  std::shared_ptr<Space> space{};
  std::set<Pid> children{};                // some of which may have gone
  std::map<Tid, ProcessThread> threads{};  // that live
  uint64_t clone_flags = 0;                // of the fork
  bool zombie = false;                     // ended, and its parent has not asked yet
  int32_t status = 0;                      // of a zombie

  // The thread whose records can speak for the process. REQUIRES: not a zombie.
  [[nodiscard]] ThreadId speaker() const { return {pid, threads.begin()->first}; }
};

class Processes {
 public:
  static constexpr size_t kMostAreas = size_t{1} << 20;  // of all together
  static constexpr size_t kMostNameBytes = size_t{64} << 20;

  // `page`: of the recording's machine.
  explicit Processes(PageShift page) : page_(page) {}

  // The thread's process, which lives from now on if nobody knew it, or knew its end.
  Process& of(ThreadId thread);
  // Null: nobody knows it.
  [[nodiscard]] const Process* find(Pid pid) const;
  [[nodiscard]] const std::map<Pid, Process>& all() const { return processes_; }

  void event(ThreadId thread, const Event& event);
  // The thread has made these data accesses, or none: it is there, and its stack may have grown.
  void ran(ThreadId thread, std::span<const uint64_t> addresses);
  // The stack's area now begins with the page of `at`. REQUIRES: stack_room() has it.
  void grow_stack(Space& space, VirtAddr at);

  // What ftruncate and fallocate said last of the length of files that have names.
  [[nodiscard]] const std::map<std::string, uint64_t>& file_lengths() const {
    return file_lengths_;
  }
  // Which files mapped ones were.
  [[nodiscard]] const FileIdentities& file_identities() const { return file_identities_; }
  // The number of the last Area::object so far.
  [[nodiscard]] uint64_t objects() const { return objects_; }
  [[nodiscard]] PageShift page() const { return page_; }
  // The pages of a call's range; nothing where it does not begin with one, or goes over the end.
  [[nodiscard]] std::optional<VirtRange> pages_of(VirtAddr start, uint64_t length) const;

 private:
  friend class EventEffect;
  void end(Process& process, int32_t status);
  std::shared_ptr<const std::string> name(const std::string& text);
  void forget_names();
  // Its number of areas may have changed, and be too much to know.
  void note_areas(Space& space);
  std::shared_ptr<Space> new_space() { return std::make_shared<Space>(areas_); }

  PageShift page_;
  std::map<Pid, Process> processes_;
  std::set<std::shared_ptr<const std::string>, bool (*)(const std::shared_ptr<const std::string>&,
                                                        const std::shared_ptr<const std::string>&)>
      names_{[](const auto& a, const auto& b) { return *a < *b; }};
  std::map<std::string, uint64_t> file_lengths_;
  FileIdentities file_identities_;
  size_t name_bytes_ = 0;
  size_t most_name_bytes_ = kMostNameBytes;  // before those nobody uses are looked for
  uint64_t objects_ = 0;
  std::shared_ptr<size_t> areas_ = std::make_shared<size_t>(0);
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_PROCESSES_H_
