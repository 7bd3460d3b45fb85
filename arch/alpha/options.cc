#include "arch/alpha/options.h"

namespace mmusim::alpha {

const config::Keys<Options>& Options::keys() {
  // What granularity hints can say.
  static const std::vector<PageShift> kGroups{group_size(0), group_size(1), group_size(2),
                                              group_size(3)};
  static const config::Keys<Options> kKeys =
      mmu::level_keys(kTlbs, &Options::tlb, kGroups, kPage)
          .number("alpha.asn_bits", &Options::asn_bits,
                  "Bits of an address space number: 7 on the 21164, 8 on the 21264. Linux gives "
                  "out all of a CPU's numbers, then empties its TLBs and begins anew.",
                  1, kMostAsnBits)
          .flag("alpha.linear_table", &Options::linear_table,
                "Whether PALcode loads entries from the linear virtual page table where the "
                "kernel's page table is Linux's radix table; otherwise it searches the page "
                "table.")
          .choice("alpha.code_pages", &Options::code_takes_number,
                  {{"tbis", false}, {"number", true}},
                  "How a single page that may be executed is flushed: by tbis, as one of data; or "
                  "as Linux does it, whose instruction cache is tagged with address space "
                  "numbers: by a new number. (Of areas nobody recorded, data may seem "
                  "executable.)");
  return kKeys;
}

}  // namespace mmusim::alpha
