// Where pages' entries were put in the hash table, by address space and page: four bits each.
//
// Addresses are of user space. Not thread-safe.
#ifndef MMUSIM_ARCH_PPC64_HINTS_H_
#define MMUSIM_ARCH_PPC64_HINTS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "arch/ppc64/formats.h"
#include "base/block_map.h"
#include "base/types.h"

namespace mmusim::ppc64 {

class Hints {
 public:
  // `page`: the base page, in which hints are kept.
  explicit Hints(PageShift page) : page_(page) {}

  [[nodiscard]] std::optional<unsigned> find(Context context, VirtAddr va) const {
    const uint8_t hint = hints_.find(number_of(context, va));
    return hint == kNone ? std::nullopt : std::optional<unsigned>(hint);
  }
  void set(Context context, VirtAddr va, unsigned hint) {
    hints_.set(number_of(context, va), static_cast<uint8_t>(hint));
  }
  void erase(Context context, VirtAddr va) { hints_.erase(number_of(context, va)); }

  // Pages of [begin, end) that have one, ascending.
  [[nodiscard]] std::vector<VirtAddr> pages(Context context, VirtRange range) const {
    std::vector<VirtAddr> found;
    if (range.empty()) return found;
    hints_.for_each(number_of(context, align_up(range.begin, page_)),
                    number_of(context, range.end - 1),
                    [&](uint64_t number, unsigned /*hint*/) { found.push_back(page_of(number)); });
    return found;
  }
  // visit(context, page, hint) for all, by address space and address.
  template <class Visit>
  void for_each(Visit visit) const {
    hints_.for_each(0, ~uint64_t{0}, [&](uint64_t number, unsigned hint) {
      visit(static_cast<Context>(number >> page_bits()), page_of(number), hint);
    });
  }

 private:
  static constexpr uint8_t kNone = 0xff;

  // Bits of a page's number, above which there is the address space's.
  [[nodiscard]] unsigned page_bits() const { return kUserBits - page_.log2(); }
  [[nodiscard]] uint64_t number_of(Context context, VirtAddr va) const {
    return uint64_t{context} << page_bits() | va.value() >> page_.log2();
  }
  [[nodiscard]] VirtAddr page_of(uint64_t number) const {
    return VirtAddr((number & ((uint64_t{1} << page_bits()) - 1)) << page_.log2());
  }

  PageShift page_;
  BlockMap<uint8_t, kNone> hints_;
};

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_HINTS_H_
