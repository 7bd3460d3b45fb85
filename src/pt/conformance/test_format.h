// An entry format of no real machine, so that a page table that assumes one is caught: present is
// not bit 0, frame numbers start at bit 16, and a table's address is not its bits in place.
#ifndef MMUSIM_PT_CONFORMANCE_TEST_FORMAT_H_
#define MMUSIM_PT_CONFORMANCE_TEST_FORMAT_H_

#include <fmt/format.h>
#include <string>

#include "base/bits.h"
#include "pt/masked_format.h"

namespace mmusim::pt::conformance {

class TestFormat final : public MaskedFormat {
 public:
  using Kept = BitField<0>;  // the kernel keeps something here; not present
  using Present = BitField<1>;
  using Large = BitField<2>;
  using Write = BitField<3>;
  using Exec = BitField<4>;
  using Accessed = BitField<5>;
  using Dirty = BitField<6>;
  using Global = BitField<7>;
  using Special = BitField<8>;
  using Points = BitField<9>;  // to a table
  // Frame numbers begin at bit 16; in entries of 4 bytes at bit 10.
  explicit TestFormat(PageShift base, unsigned bytes = sizeof(Entry)) {
    const bool wide = bytes == sizeof(Entry);
    entry_bytes = bytes;
    present_mask = Present::kMask;
    accessed_mask = Accessed::kMask;
    dirty_mask = Dirty::kMask;
    special_mask = Special::kMask;
    write_mask = Write::kMask;
    pfn_shift = wide ? 16 : 10;
    pfn_mask = (wide ? ~Entry{0} : Entry{0xffff'ffff}) >> pfn_shift << pfn_shift;
    page = base;
    leaf_bits = Present::kMask;
    rights = {.read = {}, .write = {.set = Write::kMask}, .exec = {.set = Exec::kMask}, .user = {}};
    global_mask = Global::kMask;
    large_mask = Large::kMask;
    table_bits = Present::kMask | Points::kMask;
    table_mask = pfn_mask;
    table_unit = wide ? 10 : base.log2();  // what tables are aligned to at least
    table_shift = pfn_shift;
  }

  // Says as it is a frame that is not aligned.
  [[nodiscard]] LeafFields parse_leaf(Entry e, PageShift size) const override {
    LeafFields leaf = MaskedFormat::parse_leaf(e, page);
    leaf.size = size;
    return leaf;
  }
  [[nodiscard]] std::string describe(Entry e, PageShift size) const override {
    return fmt::format("{} of {} bytes", is_leaf(e, size) ? "leaf" : "table", size.bytes());
  }
};

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_TEST_FORMAT_H_
