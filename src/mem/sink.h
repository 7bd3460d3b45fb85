// The one place every table reference goes through, so that counts, caches, costs and explanations
// see the same thing.
//
// Who touches a word of a page table (walker, miss handler, kernel) reports it here with its
// simulated physical address. Without a cache hierarchy references are only counted; with one each
// is also looked up, and where it hit is counted. Where a cache line is shorter than what is
// touched, the reference is still one, and was served by the slowest of its lines. Not thread-safe.
// Not virtual: one simulated machine has one sink.
#ifndef MMUSIM_MEM_SINK_H_
#define MMUSIM_MEM_SINK_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/types.h"
#include "config/forward.h"
#include "stats/report.h"

namespace mmusim::mem {

class CacheHierarchy;
enum class Place : uint8_t;

enum class Origin : uint8_t {
  Walker,       // a hardware page-table walker
  Handler,      // a software TLB-miss handler's loads and stores
  HandlerCode,  // the fetches of such a handler; reported only when caches are simulated
  FaultCode,    // those on the way into the kernel's page-fault code and back; likewise
  Kernel,       // the kernel's own work on page tables: faults, fork, munmap, ...
  User,         // the program's own accesses; reported only when caches are simulated
};
inline constexpr unsigned kOrigins = 6;
const char* name_of(Origin origin);  // "walker", "handler_code", ...

// Cycles of one reference, by where it was served; and of the other events of a miss path.
struct CostTable {
  uint64_t l1 = 4;
  uint64_t l1i = 0;  // a fetch: the time of a hit is in `instruction`
  uint64_t l2 = 14;
  uint64_t l3 = 50;
  uint64_t memory = 200;
  // When no caches are simulated: of any of a table, and where it has one of its own, by who makes
  // it (see price_of()).
  uint64_t reference = 14;
  std::array<std::optional<uint64_t>, kOrigins> reference_by{};
  uint64_t walk = 0;          // of a hardware walk, beside its references
  uint64_t instruction = 1;   // of a software TLB-miss handler
  uint64_t trap = 20;         // into such a handler, or the kernel's page-fault code, and back
  uint64_t next_level = 7;    // a first-level TLB miss that the next level answers
  uint64_t flush_page = 100;  // a CPU takes one page out of its own TLBs
  uint64_t flush_all = 200;   // a CPU empties them, of an address space or whole
  // With several CPUs only:
  uint64_t interrupt = 2000;       // one CPU made to flush by another, the waiting included
  uint64_t broadcast = 100;        // a purge the hardware sends to all CPUs
  uint64_t context_switch = 1500;  // a CPU goes on with another thread

  // Of a reference when no caches are simulated. 0 for fetches and the program's own, which are
  // not counted then.
  [[nodiscard]] uint64_t uncached(Origin origin) const;

  static const config::Keys<CostTable>& keys();  // cost.*
};

inline constexpr unsigned kMaxLevels =
    8;  // of a table: 0 is the leaf level, counting up to the root

struct Touch {
  Origin origin = Origin::Kernel;
  uint8_t level = 0;
  bool dependent = true;  // its address came out of the reference before it
  bool fetch = false;     // of an instruction: through the instruction cache
  bool beside = false;    // made at the same time as the reference before it, by the same

  [[nodiscard]] bool is_fetch() const {
    return fetch || origin == Origin::HandlerCode || origin == Origin::FaultCode;
  }
};

class ReferenceSink {
 public:
  static void declare(config::Schema& schema);  // cache.* and cost.* keys
  // Errors: UsageError for a cache geometry that cannot be.
  explicit ReferenceSink(const config::Config& config);
  ReferenceSink();  // counts only, default costs
  ~ReferenceSink();
  ReferenceSink(const ReferenceSink&) = delete;
  ReferenceSink& operator=(const ReferenceSink&) = delete;

  // One read or write of `bytes`, of one line of the machine that makes it. Where it was served;
  // nothing without caches. Where the simulated caches have shorter lines it is looked up in each
  // it reaches into, and served by the slowest.
  std::optional<Place> reference(PhysAddr address, unsigned bytes, bool write, Touch touch) {
    if (!write && is_part_of_write(touch.origin)) [[unlikely]]
      return std::nullopt;
    touch.origin = by(touch.origin);
    ++counts_[static_cast<unsigned>(touch.origin)][touch.level & (kMaxLevels - 1)][write ? 1 : 0];
    if (touch.beside && caches_ == nullptr) [[unlikely]]
      overlapped_[static_cast<unsigned>(touch.origin)] += costs_.uncached(touch.origin);
    if (caches_ == nullptr) return std::nullopt;
    return look_up(address, bytes, touch);
  }
  // The count to be raised instead by who knows that there are no caches, does not act as another,
  // and does nothing beside another reference. It stays where it is.
  [[nodiscard]] uint64_t& plain_count(Origin origin, unsigned level, bool write) {
    return counts_[static_cast<unsigned>(origin)][level & (kMaxLevels - 1)][write ? 1 : 0];
  }
  // `count` words of 8 bytes, `stride` bytes apart: the same as that many calls of reference().
  void reference_run(PhysAddr first, uint64_t stride, uint64_t count, bool write, Touch touch);

  // While one lives, what the kernel's code touches is its caller's: a miss handler that calls it
  // to change an entry. Locked: the caller changes it by a locked read-modify-write, a hardware
  // walker's; then each write is all of that, and the code's reads are no references.
  enum class Access : uint8_t { Plain, Locked };
  class ActingAs {
   public:
    ActingAs(ReferenceSink& sink, Origin origin, Access access = Access::Plain)
        : sink_(sink), before_(sink.kernel_is_), locked_before_(sink.locked_) {
      sink.kernel_is_ = origin;
      sink.locked_ = access == Access::Locked;
    }
    ~ActingAs() {
      sink_.kernel_is_ = before_;
      sink_.locked_ = locked_before_;
    }
    ActingAs(const ActingAs&) = delete;
    ActingAs& operator=(const ActingAs&) = delete;

   private:
    ReferenceSink& sink_;
    Origin before_;
    bool locked_before_;
  };

  // Whether the program's own accesses must be reported too.
  [[nodiscard]] bool has_caches() const { return caches_ != nullptr; }
  // Null without caches.
  [[nodiscard]] const CacheHierarchy* caches() const { return caches_.get(); }
  // The bytes of a line of the first cache such a reference asks; what touches more is reported as
  // several references. REQUIRES: has_caches().
  [[nodiscard]] uint64_t line_bytes(Touch touch) const;
  // Cycles of a reference served there.
  [[nodiscard]] uint64_t cost_of(Place place) const;

  [[nodiscard]] uint64_t count(Origin origin, unsigned level, bool write) const {
    return counts_[static_cast<unsigned>(origin)][level][write ? 1 : 0];
  }
  [[nodiscard]] uint64_t total(Origin origin) const;
  [[nodiscard]] const CostTable& costs() const { return costs_; }
  // Counts x cost table; of references made at the same time, those of the slowest.
  [[nodiscard]] uint64_t cycles(Origin origin) const;

  // Counts, cache hits by level and origin, and cycles = counts x cost table.
  void report(stats::Report& report) const;

 private:
  [[nodiscard]] Origin by(Origin origin) const {
    return origin == Origin::Kernel ? kernel_is_ : origin;
  }
  [[nodiscard]] bool is_part_of_write(Origin origin) const {
    return locked_ && origin == Origin::Kernel;
  }
  Place look_up(PhysAddr address, unsigned bytes, Touch touch);
  void report_served(const std::string& name, Origin origin, stats::Report& report) const;

  CostTable costs_;
  Origin kernel_is_ = Origin::Kernel;
  bool locked_ = false;
  // Cycles of references that went by beside a slower one, and the slowest of those made at the
  // same time as the one before.
  std::array<uint64_t, kOrigins> overlapped_{};
  uint64_t slowest_ = 0;
  std::array<std::array<std::array<uint64_t, 2>, kMaxLevels>, kOrigins> counts_{};
  uint64_t user_fetches_ = 0;
  std::unique_ptr<CacheHierarchy> caches_;
};

}  // namespace mmusim::mem

#endif  // MMUSIM_MEM_SINK_H_
