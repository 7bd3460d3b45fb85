// An entry format of no real machine, so that a page table that assumes one is caught: present is
// not bit 0, frame numbers start at bit 16, and a table's address is not its bits in place.
#ifndef MMUSIM_PT_CONFORMANCE_TEST_FORMAT_H_
#define MMUSIM_PT_CONFORMANCE_TEST_FORMAT_H_

#include <fmt/format.h>
#include <string>

#include "base/bits.h"
#include "pt/entry.h"

namespace mmusim::pt::conformance {

class TestFormat final : public EntryFormat {
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
  explicit TestFormat(PageShift page, unsigned bytes = sizeof(Entry))
      : page_(page),
        shift_(bytes == sizeof(Entry) ? 16 : 10),
        table_log2_(bytes == sizeof(Entry) ? 10 : page.log2()) {
    entry_bytes = bytes;
    present_mask = Present::kMask;
    accessed_mask = Accessed::kMask;
    dirty_mask = Dirty::kMask;
    special_mask = Special::kMask;
    write_mask = Write::kMask;
    pfn_mask = (bytes == sizeof(Entry) ? ~Entry{0} : Entry{0xffff'ffff}) >> shift_ << shift_;
    pfn_shift = shift_;
  }

  [[nodiscard]] Entry make_leaf(const LeafFields& f) const override {
    Entry e = Present::kMask | f.pfn.value() << shift_;
    e = Large::set(e, f.size > page_ ? 1 : 0);
    e = Write::set(e, f.rights.has(Rights::kWrite) ? 1 : 0);
    e = Exec::set(e, f.rights.has(Rights::kExec) ? 1 : 0);
    e = Accessed::set(e, f.accessed ? 1 : 0);
    e = Dirty::set(e, f.dirty ? 1 : 0);
    e = Global::set(e, f.global ? 1 : 0);
    return Special::set(e, f.special ? 1 : 0);
  }
  [[nodiscard]] LeafFields parse_leaf(Entry e, PageShift size) const override {
    LeafFields f;
    f.pfn = Pfn(e >> shift_);
    f.size = size;
    f.rights =
        Rights(Rights::kRead | Rights::kUser | (Write::get(e) != 0 ? unsigned{Rights::kWrite} : 0) |
               (Exec::get(e) != 0 ? unsigned{Rights::kExec} : 0));
    f.accessed = Accessed::get(e) != 0;
    f.dirty = Dirty::get(e) != 0;
    f.global = Global::get(e) != 0;
    f.special = Special::get(e) != 0;
    return f;
  }
  [[nodiscard]] Entry with_rights(Entry e, Rights rights) const override {
    e = Write::set(e, rights.has(Rights::kWrite) ? 1 : 0);
    return Exec::set(e, rights.has(Rights::kExec) ? 1 : 0);
  }
  [[nodiscard]] Entry make_table(PhysAddr next, PageShift /*covers*/) const override {
    return Present::kMask | Points::kMask | next.value() >> table_log2_ << shift_;
  }
  [[nodiscard]] PhysAddr table_address(Entry e) const override {
    return PhysAddr(e >> shift_ << table_log2_);
  }
  [[nodiscard]] bool is_leaf(Entry e, PageShift size) const override {
    return size == page_ || Large::get(e) != 0;
  }
  [[nodiscard]] std::string describe(Entry e, PageShift size) const override {
    return fmt::format("{} of {} bytes", is_leaf(e, size) ? "leaf" : "table", size.bytes());
  }

 private:
  PageShift page_;
  unsigned shift_;
  unsigned table_log2_;  // what tables are aligned to at least, as pointers say where they are
};

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_TEST_FORMAT_H_
