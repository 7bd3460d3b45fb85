// Whether leaves met one after the other can become one, and which: for promote().
#ifndef MMUSIM_PT_JOINED_H_
#define MMUSIM_PT_JOINED_H_

#include <algorithm>
#include <cstdint>

#include "pt/entry.h"

namespace mmusim::pt {

class Joined {
 public:
  // A leaf of size `to`, where base pages are of size `page`.
  Joined(const EntryFormat& format, PageShift page, PageShift to)
      : format_(format), page_(page), to_(to), smallest_(to) {}

  // The next leaf in order of address; false: with it they cannot.
  bool add(PageShift size, Entry e) {
    if (!format_.is_present(e) || size >= to_) return false;
    const LeafFields part = format_.parse_leaf(e, size);
    if (bytes_ == 0) {
      whole_ = part;
      if ((part.pfn.value() & ((to_.bytes() >> page_.log2()) - 1)) != 0) return false;
    } else if (part.pfn != whole_.pfn + (bytes_ >> page_.log2()) || part.rights != whole_.rights ||
               part.global != whole_.global || part.special != whole_.special) {
      return false;
    }
    whole_.accessed = whole_.accessed || part.accessed;
    whole_.dirty = whole_.dirty || part.dirty;
    smallest_ = std::min(smallest_, size);
    bytes_ += size.bytes();
    return true;
  }
  // Whether they fill the leaf.
  [[nodiscard]] bool complete() const { return bytes_ == to_.bytes(); }
  // REQUIRES: complete().
  [[nodiscard]] Entry entry() const {
    LeafFields fields = whole_;
    fields.size = to_;
    return format_.make_leaf(fields);
  }
  [[nodiscard]] PageShift smallest() const { return smallest_; }

 private:
  const EntryFormat& format_;
  PageShift page_;
  PageShift to_;
  PageShift smallest_;
  LeafFields whole_;
  uint64_t bytes_ = 0;
};

}  // namespace mmusim::pt

#endif  // MMUSIM_PT_JOINED_H_
