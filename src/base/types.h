// The quantities the simulator deals in, as distinct types: an address is not a page number is not
// a frame.
//
// All are trivially copyable values without invariants beyond their representation. Arithmetic
// exists only where it has a meaning: address + bytes, address - address = bytes, page number +
// pages.
#ifndef MMUSIM_BASE_TYPES_H_
#define MMUSIM_BASE_TYPES_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace mmusim {

// An integer with a meaning. Explicit to make, ordered, hashable; no arithmetic.
template <class Tag, class Rep>
class Id {
 public:
  using rep = Rep;
  constexpr Id() = default;
  constexpr explicit Id(Rep value) : value_(value) {}
  [[nodiscard]] constexpr Rep value() const { return value_; }
  constexpr auto operator<=>(const Id&) const = default;

 private:
  Rep value_ = 0;
};

// A point on a 64-bit line (addresses, page numbers): an Id to which distances can be added. Wraps
// like hardware.
template <class Tag>
class Point : public Id<Tag, uint64_t> {
 public:
  using Id<Tag, uint64_t>::Id;
  friend constexpr Point operator+(Point p, uint64_t distance) {
    return Point(p.value() + distance);
  }
  friend constexpr Point operator-(Point p, uint64_t distance) {
    return Point(p.value() - distance);
  }
  friend constexpr uint64_t operator-(Point a, Point b) { return a.value() - b.value(); }
  constexpr Point& operator+=(uint64_t distance) { return *this = *this + distance; }
};

using VirtAddr = Point<struct VirtAddrTag>;  // virtual address, bytes
using PhysAddr = Point<struct PhysAddrTag>;  // simulated physical address, bytes
using Vpn = Point<struct VpnTag>;  // virtual page number; unit: the page size named beside it
using Pfn = Point<struct PfnTag>;  // physical frame number; unit: the machine's base page

using Pid = Id<struct PidTag, uint32_t>;  // process id as the trace names it
using Tid = Id<struct TidTag, uint32_t>;  // thread id as the trace names it
using MmId = Id<struct MmIdTag,
                uint64_t>;  // an address space of the simulated kernel; never reused in a run
using CpuId = Id<struct CpuIdTag, uint32_t>;
using Asid =
    Id<struct AsidTag, uint32_t>;  // what a TLB tags entries with: PCID, RID, VSID, context number

// A power-of-two page size, kept as its logarithm: PageShift(12) is 4 KiB.
class PageShift {
 public:
  constexpr PageShift() = default;
  constexpr explicit PageShift(unsigned log2) : log2_(static_cast<uint8_t>(log2)) {}
  [[nodiscard]] constexpr unsigned log2() const { return log2_; }
  [[nodiscard]] constexpr uint64_t bytes() const { return uint64_t{1} << log2_; }
  [[nodiscard]] constexpr uint64_t offset_mask() const { return bytes() - 1; }
  constexpr auto operator<=>(const PageShift&) const = default;

 private:
  uint8_t log2_ = 12;
};

constexpr Vpn page_of(VirtAddr va, PageShift shift) {
  return Vpn(va.value() >> shift.log2());
}
constexpr VirtAddr page_base(Vpn vpn, PageShift shift) {
  return VirtAddr(vpn.value() << shift.log2());
}
constexpr VirtAddr align_down(VirtAddr va, PageShift shift) {
  return VirtAddr(va.value() & ~shift.offset_mask());
}
constexpr VirtAddr align_up(VirtAddr va, PageShift shift) {
  return VirtAddr((va.value() + shift.offset_mask()) & ~shift.offset_mask());
}
constexpr bool is_aligned(VirtAddr va, PageShift shift) {
  return (va.value() & shift.offset_mask()) == 0;
}

// A half-open range of virtual addresses [begin, end). end may be 0 only for the empty range at 0.
struct VirtRange {
  VirtAddr begin;
  VirtAddr end;

  [[nodiscard]] constexpr uint64_t bytes() const { return end - begin; }
  [[nodiscard]] constexpr bool empty() const { return begin >= end; }
  [[nodiscard]] constexpr bool contains(VirtAddr va) const { return begin <= va && va < end; }
  [[nodiscard]] constexpr bool overlaps(const VirtRange& o) const {
    return begin < o.end && o.begin < end;
  }
  constexpr bool operator==(const VirtRange&) const = default;
};

// What a program does to memory. Modify is one atomic read-modify-write: one translation, as a
// store.
enum class AccessKind : uint8_t { Fetch, Load, Store, Modify };
constexpr bool writes(AccessKind kind) {
  return kind >= AccessKind::Store;
}
constexpr const char* name_of(AccessKind kind) {
  switch (kind) {
    case AccessKind::Fetch:
      return "fetch";
    case AccessKind::Load:
      return "load";
    case AccessKind::Store:
      return "store";
    case AccessKind::Modify:
      return "modify";
  }
  return "?";
}

// Rights of a mapping, as a set. The values are the simulator's own, not any hardware's.
class Rights {
 public:
  enum Bit : uint8_t { kRead = 1, kWrite = 2, kExec = 4, kUser = 8 };
  constexpr Rights() = default;
  constexpr explicit Rights(unsigned bits) : bits_(static_cast<uint8_t>(bits)) {}
  static constexpr Rights all() { return Rights(kRead | kWrite | kExec | kUser); }
  [[nodiscard]] constexpr bool has(Bit bit) const { return (bits_ & bit) != 0; }
  [[nodiscard]] constexpr Rights with(unsigned bits) const { return Rights(bits_ | bits); }
  [[nodiscard]] constexpr Rights without(unsigned bits) const { return Rights(bits_ & ~bits); }
  [[nodiscard]] constexpr unsigned bits() const { return bits_; }
  [[nodiscard]] constexpr bool allows(AccessKind kind) const {
    if (kind == AccessKind::Fetch) return has(kExec);
    return writes(kind) ? has(kWrite) : has(kRead);
  }
  constexpr bool operator==(const Rights&) const = default;

 private:
  uint8_t bits_ = 0;
};

}  // namespace mmusim

template <class Tag, class Rep>
struct std::hash<mmusim::Id<Tag, Rep>> {
  size_t operator()(const mmusim::Id<Tag, Rep>& id) const noexcept {
    return std::hash<Rep>{}(id.value());
  }
};
template <class Tag>
struct std::hash<mmusim::Point<Tag>> {
  size_t operator()(const mmusim::Point<Tag>& p) const noexcept {
    return std::hash<uint64_t>{}(p.value());
  }
};

#endif  // MMUSIM_BASE_TYPES_H_
