// The areas of an address space as a trace's events tell them: who maps what where. No model of a
// kernel: an area has what events said of it, and what a later event needs to know. For verify and
// cut. Not thread-safe.
#ifndef MMUSIM_TRACE_AREAS_H_
#define MMUSIM_TRACE_AREAS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/linux_abi.h"
#include "base/types.h"

namespace mmusim::trace {

// What madvise says of an area, as a set.
enum Advised : uint32_t {
  kAdvisedRandom = 1,
  kAdvisedSequential = 2,
  kAdvisedDontFork = 4,
  kAdvisedMergeable = 8,
  kAdvisedHuge = 16,
  kAdvisedNoHuge = 32,
  kAdvisedDontDump = 64,
  kAdvisedWipeOnFork = 128,
};
// Which advice sets each of them, which clears it, and what else setting it clears.
struct AdvisedBy {
  Advised bit;
  abi::Advice with;
  abi::Advice without;
  uint32_t excludes;
};
inline constexpr AdvisedBy kAdvices[] = {
    {kAdvisedRandom, abi::kAdviceRandom, abi::kAdviceNormal, kAdvisedSequential},
    {kAdvisedSequential, abi::kAdviceSequential, abi::kAdviceNormal, kAdvisedRandom},
    {kAdvisedDontFork, abi::kAdviceDontFork, abi::kAdviceDoFork, 0},
    {kAdvisedMergeable, abi::kAdviceMergeable, abi::kAdviceUnmergeable, 0},
    {kAdvisedHuge, abi::kAdviceHugePage, abi::kAdviceNoHugePage, kAdvisedNoHuge},
    {kAdvisedNoHuge, abi::kAdviceNoHugePage, abi::kAdviceHugePage, kAdvisedHuge},
    {kAdvisedDontDump, abi::kAdviceDontDump, abi::kAdviceDoDump, 0},
    {kAdvisedWipeOnFork, abi::kAdviceWipeOnFork, abi::kAdviceKeepOnFork, 0}};

struct Area {
  VirtRange range;
  uint32_t prot = 0;
  uint32_t flags = 0;   // MAP_*, without those that only say how to map
  uint64_t offset = 0;  // in the file, of range.begin
  // Where the mapping began that it is a part of, and whether that was asked for there.
  VirtAddr origin{};
  bool placed = false;
  // The file, or [stack] and the like; null: none.
  std::shared_ptr<const std::string> name{};
  // Memory with no name that several areas may show: shared, or of an unnamed file. 0: none.
  uint64_t object = 0;
  int32_t fd = -1;       // of an unnamed file
  bool charged = false;  // private, and was writable at some time: Linux remembers
  uint32_t advised = 0;  // Advised
  enum class Lock : uint8_t { None, Locked, OnFault };
  Lock lock = Lock::None;

  [[nodiscard]] bool has(uint32_t flag) const { return (flags & flag) != 0; }
  [[nodiscard]] bool is_shared() const { return (flags & abi::kMapType) != abi::kMapPrivate; }
  [[nodiscard]] const std::string& name_text() const;
  // What is at `at` in the file.
  [[nodiscard]] uint64_t offset_at(VirtAddr at) const { return offset + (at - range.begin); }
};

class AreaMap {
 public:
  using Map = std::map<VirtAddr, Area>;

  // The area that holds `at`; null if none does.
  [[nodiscard]] const Area* find(VirtAddr at) const;
  // The first that ends behind `at`; null if there is none.
  [[nodiscard]] const Area* find_from(VirtAddr at) const;
  [[nodiscard]] bool overlaps(VirtRange range) const;
  // Whether every byte is in some area.
  [[nodiscard]] bool covers(VirtRange range) const;

  // Takes away what is in `range`, and puts `area` there. REQUIRES: not empty.
  void put(const Area& area);
  void remove(VirtRange range);
  // Calls change(area) for each area in `range`, divided at its ends.
  template <class Change>
  void change(VirtRange range, Change change) {
    split(range.begin);
    split(range.end);
    for (auto at = areas_.lower_bound(range.begin); at != areas_.end() && at->first < range.end;
         ++at)
      change(at->second);
  }
  // Moves the begin or end of the area that starts at `start`. REQUIRES: nothing is in the way.
  void set_begin(VirtAddr start, VirtAddr begin);
  void set_end(VirtAddr start, VirtAddr end);

  [[nodiscard]] const Map& areas() const { return areas_; }
  [[nodiscard]] size_t size() const { return areas_.size(); }
  void clear() { areas_.clear(); }

 private:
  void split(VirtAddr at);

  Map areas_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_AREAS_H_
