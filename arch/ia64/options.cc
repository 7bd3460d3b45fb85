#include "arch/ia64/options.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "base/bits.h"
#include "base/error.h"
#include "base/units.h"

namespace mmusim::ia64 {

namespace {

// The array a side's translation registers are part of loses what is pinned. Such arrays are fully
// associative: a register takes any page.
void take_registers(Options& options, Level first, Level second, unsigned pinned,
                    uint64_t registers, const char* registers_key) {
  const Level last = options.tlb[second].empty() ? first : second;
  tlb::Geometry& array = options.tlb[last].front();
  const char* const key = kTlbs[last].arrays.front().key;
  if (registers < pinned)
    throw UsageError(registers_key,
                     fmt::format("the kernel pins {} translations on this side, and there are only "
                                 "{} translation registers",
                                 pinned, registers));
  if (array.ways != array.entries)
    throw UsageError(fmt::format("{}.ways", key),
                     "translation registers are entries of this array, which must therefore be "
                     "fully associative",
                     "give it as many ways as entries");
  if (array.entries <= pinned)
    throw UsageError(fmt::format("{}.entries", key),
                     fmt::format("{} entries leave no room for a translation cache beside {} "
                                 "pinned translation registers",
                                 array.entries, pinned));
  array.entries -= pinned;
  array.ways -= pinned;
}

// What the kernel pins takes from the arrays, and the VHPT's size, where nobody says it, follows
// from the memory, of a machine that has any.
void settle(const config::Config& config, Options& options) {
  take_registers(options, kL1I, kL2I, options.pinned_instruction(), options.instruction_registers,
                 "ia64.itr");
  take_registers(options, kL1D, kL2D, options.pinned_data(), options.data_registers, "ia64.dtr");
  if (options.vhpt_bytes == 0)
    options.vhpt_bytes =
        vhpt_bytes_for(config.schema().find("mem.bytes") == nullptr ? 0 : config.size("mem.bytes"));
}

std::string no_vhpt_size(const Options& options) {
  const auto& sizes = insertable_sizes();
  if (options.walker != Walker::Long ||
      (is_power_of_two(options.vhpt_bytes) &&
       std::binary_search(sizes.begin(), sizes.end(), PageShift(log2_floor(options.vhpt_bytes)))))
    return "";
  return fmt::format("{} is not a page size: one translation register maps the VHPT",
                     format_size(options.vhpt_bytes));
}

std::string no_huge_page(const Options& options) {
  const auto huge = options.huge_page();
  if (!huge) return "";
  const std::string named = format_size(options.hugetlb_bytes);
  const auto& sizes = insertable_sizes();
  if (!is_power_of_two(options.hugetlb_bytes) || *huge <= kPage ||
      !std::binary_search(sizes.begin(), sizes.end(), *huge))
    return fmt::format("{} is no size of pages larger than the base page that can be inserted",
                       named);
  for (const auto& [first, second] : {std::pair(kL1I, kL2I), std::pair(kL1D, kL2D)}) {
    const Level last = options.tlb[second].empty() ? first : second;
    if (!options.tlb[last].front().holds(*huge))
      return fmt::format("the {} does not hold pages of {}", kTlbs[last].shown, named);
  }
  return "";
}

}  // namespace

uint64_t vhpt_bytes_for(uint64_t memory) {
  constexpr unsigned kLeast = 22;
  const PageShift wanted(std::max(log2_floor((memory >> kPage.log2()) + 0xfff), kLeast));
  const auto& sizes = insertable_sizes();
  const auto found = std::lower_bound(sizes.begin(), sizes.end(), wanted);
  return (found == sizes.end() ? sizes.back() : *found).bytes();
}

const std::vector<PageShift>& insertable_sizes() {
  static const std::vector<PageShift> kSizes = [] {
    std::vector<PageShift> sizes;
    for (const unsigned log2 : {12U, 13U, 14U, 16U, 18U, 20U, 22U, 24U, 26U, 28U, 30U, 32U})
      sizes.emplace_back(log2);
    return sizes;
  }();
  return kSizes;
}

Pta Options::pta() const {
  Pta pta;
  pta.walker = walks();
  pta.long_format = walker == Walker::Long;
  if (pta.long_format) {
    pta.size = log2_floor(vhpt_bytes);
    pta.base = region_base(6) - vhpt_bytes;  // the end of region 5
  } else {
    // The linear table is the end of every region, as large as a leaf word for each of its pages
    // needs.
    pta.size = va_msb + 1 - kPage.log2() + 3;
    pta.base = VirtAddr((uint64_t{1} << kRegionShift) - (uint64_t{1} << pta.size));
  }
  return pta;
}

const config::Keys<Options>& Options::keys() {
  static const config::Keys<Options> kKeys =
      mmu::level_keys(kTlbs, &Options::tlb, insertable_sizes(), kPage)
          .choice("ia64.walker", &Options::walker,
                  {{"long", Walker::Long},
                   {"short", Walker::Short},
                   {"off", Walker::Off},
                   {"off-linux", Walker::OffAsLinux}},
                  "The VHPT walker: long, it reads a hash table that handlers fill; short, a "
                  "linear table at the end of each region (the page table's leaf tables, or a "
                  "copy of them); off, handlers search the page table; off-linux, as Linux does "
                  "it, by a load through the linear table that misses in turn.")
          .size("ia64.vhpt.bytes", &Options::vhpt_bytes,
                "Size of each CPU's long-format VHPT: a power of two, and a page size one "
                "translation register can map. 0: as the LVHPT patches size it without NUMA, a "
                "byte for each page of mem.bytes, 4M at least.",
                0, uint64_t{1} << 32)
          .choice(
              "ia64.superpage.vhpt", &Options::superpage_fill,
              {{"missed", VhptFill::Missed}, {"all", VhptFill::All}, {"fault", VhptFill::AtFault}},
              "Which long-format entries a superpage gets, one for each of its base pages: "
              "missed, the handler writes that of the page that missed; all, it writes all; "
              "fault, the kernel writes all when it has mapped it (P. Chubb's three ways).")
          .rule("ia64.superpage.vhpt",
                [](const Options& options) {
                  return options.superpage_fill == VhptFill::AtFault && options.chains
                             ? std::string(
                                   "collision chains (ia64.vhpt.chains) are handlers' "
                                   "affair, and the kernel would have to lengthen them")
                             : std::string();
                })
          .choice("ia64.superpage.short", &Options::refuse_superpages,
                  {{"parts", false}, {"refuse", true}},
                  "Superpages in the short format, whose walker knows one page size: parts, it "
                  "inserts their base pages; refuse, their words have a memory attribute it must "
                  "not insert, so that the TLB-miss handler inserts the whole (J. Marvin 2006).")
          .flag("ia64.vhpt.chains", &Options::chains,
                "Whether a long-format entry that must make room is kept on a collision chain of "
                "its slot, which the handler searches before the page table.")
          .flag("ia64.vhpt.exchange", &Options::exchange,
                "Whether what is found on a chain changes places with what is in the slot, which "
                "costs more references than a search of the page table; false: it stays there.")
          .choice("ia64.vhpt.hash", &Options::folded_hash, {{"merced", false}, {"folded", true}},
                  "The long format's index: Merced's published one, or one that pages at regular "
                  "distances do not crowd.")
          .number("ia64.vhpt.chain_entries", &Options::chain_entries,
                  "Entries there are for all chains of a CPU, taken in turn.", 1, 1 << 20)
          .number("ia64.levels", &Options::levels,
                  "Levels of Linux's page table: 3 give user space 2^44 bytes in each region, 4 "
                  "give 2^55.",
                  3, 4)
          .number("ia64.va_msb", &Options::va_msb,
                  "Highest implemented bit of an address within its region (IMPL_VA_MSB).", 50, 60)
          .rule("ia64.va_msb",
                [](const Options& options) {
                  if (options.levels < 4 || options.va_msb >= 55) return std::string();
                  return fmt::format(
                      "4 levels of page tables need 55 bits of address within a "
                      "region, and the processor implements {}",
                      options.va_msb + 1);
                })
          .size("ia64.hugetlb_page", &Options::hugetlb_bytes,
                "Preferred page size of region 4 (Linux: hugepagesz=), in which then lies the "
                "memory of the hugetlb pool of that size, and nothing else. 0: the base page, as "
                "in all other regions.",
                0, uint64_t{1} << 32)
          .rule("ia64.hugetlb_page", no_huge_page, "take 64K, 256K, 1M, 4M, 16M, 64M, 256M, 1G, 4G")
          .number("ia64.rid_bits", &Options::rid_bits, "Implemented bits of a region identifier.",
                  18, 24)
          .choice("ia64.swap_rid", &Options::swap_rid,
                  {{"auto", std::nullopt}, {"true", true}, {"false", false}},
                  "Whether the kernel exchanges the two low bytes of region identifiers, as the "
                  "LVHPT patches for Linux did to spread the hash; auto: in long format only, as "
                  "they do.")
          .number("ia64.itr", &Options::instruction_registers, "Instruction translation registers.",
                  8, 64)
          .number("ia64.dtr", &Options::data_registers, "Data translation registers.", 8, 64)
          .flag("ia64.smp", &Options::smp,
                "Whether handlers look at the entry again after inserting it, as an SMP kernel "
                "must.")
          .flag("ia64.identity", &Options::identity,
                "Whether the kernel's own accesses to memory while it fixes a fault need "
                "translations of region 7.")
          .size("ia64.granule", &Options::granule_bytes,
                "Page size of region 7, the kernel's view of physical memory: 16M or 64M.",
                uint64_t{16} << 20, uint64_t{64} << 20)
          .rule("ia64.granule",
                [](const Options& options) {
                  const uint64_t granule = options.granule_bytes;
                  return granule == uint64_t{16} << 20 || granule == uint64_t{64} << 20
                             ? std::string()
                             : fmt::format("{} is neither 16M nor 64M", format_size(granule));
                })
          .part(nullptr, settle)
          .rule("ia64.vhpt.bytes", no_vhpt_size,
                "take 64K, 256K, 1M, 4M, 16M, 64M, 256M, 1G or 4G, or 0 for the patches' rule");
  return kKeys;
}

}  // namespace mmusim::ia64
