#include "arch/alpha/options.h"

#include <fmt/format.h>

#include "base/error.h"
#include "config/keys.h"

namespace mmusim::alpha {

namespace {

const config::Keys<Options>& scalar_keys() {
  static const config::Keys<Options> kKeys =
      config::Keys<Options>()
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

// What granularity hints can say.
std::vector<PageShift> group_sizes() {
  std::vector<PageShift> sizes;
  for (unsigned hint = 0; hint <= kMostHint; ++hint)
    sizes.emplace_back(kPage.log2() + kHintBits * hint);
  return sizes;
}

}  // namespace

void declare(config::Schema& schema) {
  mmu::declare_levels(schema, kTlbs);
  scalar_keys().declare(schema);
}

Options read_options(const config::Config& config) {
  Options options = scalar_keys().read(config);
  for (const Level level : {kItb, kDtb}) {
    const mmu::ArrayDecl& keys = kTlbs[level].arrays.front();
    options.tlb[level] = mmu::read_level(config, kTlbs[level], group_sizes());
    if (options.tlb[level].empty())
      throw UsageError(fmt::format("{}.entries", keys.key),
                       fmt::format("there must be the {}", keys.what));
    if (!options.tlb[level].front().holds(kPage))
      throw UsageError(fmt::format("{}.pages", keys.key),
                       "no entry can hold the base page, which on every Alpha there is is 8K",
                       "name 8K among the sizes");
  }
  return options;
}

}  // namespace mmusim::alpha
