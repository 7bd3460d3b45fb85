// A second way to follow what events do to memory: page by page, in arrays, with nothing of
// processes.h. For the tests of what cut carries over.
#ifndef MMUSIM_TESTS_TRACE_PLAIN_PAGES_H_
#define MMUSIM_TESTS_TRACE_PLAIN_PAGES_H_

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/random.h"
#include "trace/record.h"
#include "trace/writer.h"

namespace mmusim::trace::testing {

// Where everything happens: so many pages of 4 KiB from here on.
inline constexpr uint64_t kPlainBase = 0x10000000;
inline constexpr unsigned kPlainPages = 96;

struct PlainPage {
  bool there = false;
  uint32_t prot = 0;
  bool shared = false;
  bool stack = false;
  std::string of{};    // "": private memory; a file; "#3": memory or a file without name
  uint64_t place = 0;  // page in that
  uint32_t advice = 0;
  int lock = 0;
  bool operator==(const PlainPage&) const = default;
};

struct PlainMemory {
  std::array<PlainPage, kPlainPages> pages{};
  uint64_t brk = 0;  // page; 0: none
  uint64_t brk_start = 0;
  int lock_new = 0;
};

struct PlainProcess {
  std::shared_ptr<PlainMemory> memory = std::make_shared<PlainMemory>();
  std::set<uint32_t> threads;
  uint32_t parent = 0;  // 0: none
  bool zombie = false;
};

class PlainWorld {
 public:
  void event(ThreadId thread, const Event& event);
  [[nodiscard]] const std::map<uint32_t, PlainProcess>& processes() const { return processes_; }

 private:
  void exec(PlainProcess& process, uint32_t tid, const ExecEvent& e);
  void map(PlainMemory& memory, const MmapEvent& e);
  void remap(PlainMemory& memory, const MremapEvent& e);

  std::map<uint32_t, PlainProcess> processes_;
  unsigned unnamed_ = 0;
};

// Events of a few processes and some instructions between them, at random, whose calls all succeed.
class PlainHistory {
 public:
  explicit PlainHistory(uint64_t seed) : random_(seed) {}
  void write(Writer& writer, unsigned steps);

 private:
  void step(Writer& writer);
  std::optional<Event> memory_call(const PlainMemory& memory);
  void say(Writer& writer, ThreadId thread, const Event& event);
  ExecEvent image();
  // A run of pages that are all there, or all not; nothing if there is none of that length.
  [[nodiscard]] bool all(const PlainMemory& memory, uint64_t page, uint64_t count,
                         bool there) const;

  Random random_;
  PlainWorld world_;
  uint32_t next_ = 100;
};

// What is different, as text; "" for nothing. Memory without a name in `whole` may have any one
// name in `part`, the same in all processes.
std::string difference(const PlainWorld& whole, const PlainWorld& part);

}  // namespace mmusim::trace::testing

#endif  // MMUSIM_TESTS_TRACE_PLAIN_PAGES_H_
