#include "arch/ia64/mmu.h"

#include <fmt/format.h>
#include <string>

#include "base/units.h"

namespace mmusim::ia64 {

namespace {

constexpr unsigned kUserRegions = 5;  // 0 to 4
constexpr unsigned kKernelRegion = 5;
constexpr unsigned kIdentityRegion = 7;

// Tags of keys of the hit filters, above the number of a 4K page. The last one is nobody's.
constexpr uint64_t kTags = (uint64_t{1} << 12) - 1;

constexpr unsigned kImageShift = 26;  // Linux's kernel image: 64 MB
constexpr uint64_t kImageBase = 0xa000'0001'0000'0000;

Rid exchange_bytes(Rid rid) {
  return (rid & ~Rid{0xffff}) | (rid & 0xff) << 8 | (rid >> 8 & 0xff);
}

}  // namespace

Mmu::Mmu(const Options& options, mem::FrameMemory& frames, mem::ReferenceSink& sink, bool direct,
         PhysAddr code)
    // A bundle of 16 bytes holds three instructions.
    : Cpu(kTlbs, options.tlb, options.locked(), kPage, kStepList, frames, sink,
          {.base = code, .bytes_per_instruction = 16, .instructions_per_unit = 3}),
      options_(&options),
      frames_(&frames),
      direct_(direct),
      hash_(options.hash()),
      format_(options.refuses()),
      tag_owners_(kTags, 0) {
  unload();
  if (options.walker == Walker::Long)
    vhpt_.emplace(hash_, options.vhpt_bytes, options.chains ? options.chain_entries : 0,
                  options.exchange, frames, sink, path_);
  for (unsigned region = kKernelRegion; region < kRegions; ++region)
    registers_[region] = {
        .walker = region == kKernelRegion && options.walks(),
        .preferred = region == kKernelRegion ? kPage : PageShift(options.granule()),
        .rid = rid_of(region_base(region), 0)};
  pin_kernel();
}

// What Linux keeps in translation registers: its image on both sides, PAL code, the granule its
// stack is in (the highest of memory, by choice), and the VHPT.
void Mmu::pin_kernel() {
  tlb::Level& instructions = side(mmu::kFetches).last();
  tlb::Level& data = last_data_level();
  const auto leaf = [this](PhysAddr at, PageShift size) {
    return kernel_leaf(at, size, Rights::kExec, kEntryPresent | kEntryAccessed);
  };
  const PageShift image(kImageShift);
  const PageShift granule(options_->granule());
  const Rid kernel = registers_[kKernelRegion].rid;
  const Rid identity = registers_[kIdentityRegion].rid;
  const PhysAddr last(frames_->total_frames() * kPage.bytes() - 1);
  const VirtAddr identity_base = region_base(kIdentityRegion);
  instructions.lock(0, VirtAddr(kImageBase), kernel, leaf(PhysAddr(image.bytes()), image));
  instructions.lock(1, identity_base, identity, leaf(PhysAddr(0), granule));
  data.lock(0, VirtAddr(kImageBase), kernel, leaf(PhysAddr(image.bytes()), image));
  data.lock(1, align_down(identity_base + last.value(), granule), identity, leaf(last, granule));
  if (vhpt_)
    data.lock(2, hash_.pta().base, kernel, leaf(vhpt_->base(), PageShift(hash_.pta().size)));
}

Rid Mmu::rid_of(VirtAddr va, Context context) const {
  const Rid rid = context << 3 | region_of(va);
  return options_->swaps_rid() ? exchange_bytes(rid) : rid;
}

Context Mmu::context_of(Rid rid) const {
  return (options_->swaps_rid() ? exchange_bytes(rid) : rid) >> 3;
}

bool Mmu::outside(VirtAddr va) const {
  constexpr unsigned kTop = kRegionShift;  // bits 60:va_msb all alike
  const uint64_t upper = va.value() << (64 - kTop) >> (64 - kTop) >> options_->va_msb;
  return upper != 0 && upper != (uint64_t{1} << (kTop - options_->va_msb)) - 1;
}

bool Mmu::mappable(VirtAddr va) {
  const unsigned unused = 64 - region_bits(options_->levels);
  const uint64_t offset = va.value() << (64 - kRegionShift) >> (64 - kRegionShift);
  if (offset << unused >> unused == offset) return true;
  miss_fault_ = mmu::FaultReason::NonCanonical;
  return false;
}

std::string Mmu::lookup_text(VirtAddr /*va*/, const Hit& hit) const {
  if (!hit) return "miss";
  const tlb::Payload& entry = *hit.payload;
  return fmt::format("hit, {} page in frame {:#x}{}{}{}", format_size(entry.size.bytes()),
                     entry.pfn.value(), (entry.extra & kEntryPresent) != 0 ? "" : ", p = 0",
                     (entry.extra & kEntryAccessed) != 0 ? ", a" : "", entry.dirty ? ", d" : "");
}

mmu::Translation Mmu::access(VirtAddr va, AccessKind kind, bool retry) {
  const SideLevels& side = this->side(kind);
  if (retry) {
    ++side.counters->retry_lookups;
    if (options_->identity && table_ != nullptr) note_kernel_work(va);
    if (options_->superpage_fill == VhptFill::AtFault && vhpt_ && table_ != nullptr)
      fill_by_kernel(va);
  }
  if (outside(va)) {
    count_outside(side, retry);
    return fault(mmu::FaultReason::NonCanonical);
  }
  if (table_ == nullptr) return nothing_loaded(side, retry);

  const Rid rid = rid_of(va);
  Hit hit = look_up(side, va, rid, retry);
  if (!hit) {
    const Hit second = look_up_second(side, va, rid, retry);
    hit = second ? fill_first(side, va, rid, second) : refill(side, va, rid);
  }
  while (hit) {
    const tlb::Payload& entry = *hit.payload;
    if ((entry.extra & kEntryPresent) == 0) {
      hit = page_not_present(side, va, rid);
    } else if (!entry.rights.has(Rights::kUser) || !entry.rights.allows(kind)) {
      path_.step(side.data ? kDataRights : kInstructionRights);
      return fault(mmu::FaultReason::Protection);
    } else if ((entry.extra & kEntryAccessed) == 0) {
      hit = set_bits(side, va, rid, /*dirty=*/false);
    } else if (writes(kind) && !entry.dirty) {
      hit = set_bits(side, va, rid, /*dirty=*/true);
    } else {
      return finish(side, va, hit);
    }
  }
  return fault(miss_fault_);
}

void Mmu::load(Context context, pt::PageTable& table, mmu::TableCopy* linear) {
  table_ = &table;
  linear_ = linear;
  for (unsigned region = 0; region < kUserRegions; ++region)
    registers_[region] = {.walker = options_->walks(),
                          .preferred = hash_.preferred(region_base(region)),
                          .rid = rid_of(region_base(region), context)};
  // What the filters know under this tag may be another context's.
  const uint64_t tag = context % kTags;
  if (tag_owners_[tag] != context) {
    if (tag_owners_[tag] != 0) {
      level(kL1I).filter_clear();
      level(kL1D).filter_clear();
      tag_owners_.assign(kTags, 0);
    }
    tag_owners_[tag] = context;
  }
  change_space(tag << kKeyPageBits);
}

void Mmu::set_gate(VirtRange range, pt::PageTable& table, mmu::TableCopy* linear) {
  gate_ = range;
  gate_table_ = &table;
  gate_linear_ = linear;
}

void Mmu::unload() {
  table_ = nullptr;
  linear_ = nullptr;
  change_space(kTags << kKeyPageBits);
}

void Mmu::purge(VirtRange range, Context context) {
  const Rid rid = rid_of(range.begin, context);
  on_every_level([&](tlb::Level& level) { level.invalidate_range(range, rid); });
}

void Mmu::purge_vhpt(VirtRange range, Context context) {
  if (!vhpt_ || range.empty()) return;
  const Rid rid = rid_of(range.begin, context);
  const PageShift page = hash_.preferred(range.begin);
  const VirtAddr first = align_down(range.begin, page);
  const uint64_t pages = ((range.end - 1 - first) >> page.log2()) + 1;
  // More pages than slots: each slot would be written, some more than once.
  if (pages > vhpt_->bytes() / kVhptEntryBytes) {
    vhpt_->clear();
    return;
  }
  for (uint64_t i = 0; i < pages; ++i)
    vhpt_->purge(first + (i << page.log2()), rid);
}

void Mmu::purge_entries(VirtAddr va, Rid rid) {
  on_every_level([&](tlb::Level& level) { level.invalidate_page(va, rid); });
}

void Mmu::purge_all() {
  on_every_level([](tlb::Level& level) { level.invalidate_all(); });
  if (vhpt_) vhpt_->clear();
}

Mmu::Counters Mmu::counters() const {
  Counters all = all_counters();
  if (vhpt_) stats::add(all.vhpt, vhpt_->counters());
  return all;
}

}  // namespace mmusim::ia64
