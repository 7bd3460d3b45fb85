#include "arch/ia64/mmu.h"

#include <fmt/format.h>
#include <span>
#include <string>
#include <string_view>

#include "base/units.h"

namespace mmusim::ia64 {

namespace {

constexpr unsigned kUserRegions = 5;  // 0 to 4
constexpr unsigned kKernelRegion = 5;
constexpr unsigned kIdentityRegion = 7;

// Keys of the hit filters have 12 bits for the address space. The last tag is nobody's.
constexpr unsigned kKeyPageBits = 52;
constexpr uint64_t kTags = (uint64_t{1} << (64 - kKeyPageBits)) - 1;
constexpr uint64_t kNoTag = kTags << kKeyPageBits;

constexpr unsigned kImageShift = 26;  // Linux's kernel image: 64 MB
constexpr uint64_t kImageBase = 0xa000'0001'0000'0000;

// The leaf a TLB entry found at `va` was made from.
tlb::Leaf leaf_of(const tlb::Payload& payload, VirtAddr va) {
  const uint64_t into_leaf = align_down(va, payload.size).value() & payload.leaf.offset_mask();
  return {.pfn = payload.pfn - (into_leaf >> kPage.log2()),
          .size = payload.leaf,
          .rights = payload.rights,
          .dirty = payload.dirty,
          .global = false,
          .extra = payload.extra};
}

Rid exchange_bytes(Rid rid) {
  return (rid & ~Rid{0xffff}) | (rid & 0xff) << 8 | (rid >> 8 & 0xff);
}

std::string itir_text(uint64_t word) {
  return fmt::format("ps={} key={:#x}", ItirSizeField::get(word), ItirKeyField::get(word));
}
std::string tag_text(uint64_t word) {
  return fmt::format("ti={} tag={:#x}", TagInvalidBit::get(word), word & ~TagInvalidBit::kMask);
}

std::string decode(const char* what, std::span<const uint64_t> words) {
  const uint64_t value = words.front();
  const std::string_view name(what);
  if (name == kVhptEntry)
    return fmt::format("{}; {}; {}", describe_translation(words[0]), itir_text(words[1]),
                       tag_text(words[2]));
  if (name.ends_with("ITIR")) return itir_text(value);
  if (name.find("tag") != std::string_view::npos) return tag_text(value);
  if (name.ends_with("pointer")) return fmt::format("page-table word at {:#x}", value);
  if (name.ends_with("chain") || name.ends_with("link"))
    return value == 0 ? "end of the chain" : fmt::format("chain entry at {:#x}", value);
  if (name.find("translation") != std::string_view::npos || name == "PTE")
    return describe_translation(value);
  return "";
}

}  // namespace

void SideCounters::add(const SideCounters& o) {
  misses += o.misses;
  second_misses += o.second_misses;
  retry_lookups += o.retry_lookups;
  retry_misses += o.retry_misses;
  retry_second_misses += o.retry_second_misses;
  unimplemented += o.unimplemented;
}

void MmuCounters::add(const MmuCounters& o) {
  for (size_t i = 0; i < accesses.size(); ++i)
    accesses[i] += o.accesses[i];
  for (size_t i = 0; i < sides.size(); ++i)
    sides[i].add(o.sides[i]);
  for (size_t i = 0; i < levels.size(); ++i) {
    levels[i].fills += o.levels[i].fills;
    levels[i].evictions += o.levels[i].evictions;
    levels[i].invalidated += o.levels[i].invalidated;
  }
  walks += o.walks;
  walks_hit += o.walks_hit;
  walks_absent += o.walks_absent;
  table_misses += o.table_misses;
  linear_lookups += o.linear_lookups;
  linear_fills += o.linear_fills;
  walks_refused += o.walks_refused;
  identity_lookups += o.identity_lookups;
  identity_misses += o.identity_misses;
  for (size_t i = 0; i < faults.size(); ++i)
    faults[i] += o.faults[i];
  vhpt.add(o.vhpt);
}

Mmu::Mmu(const Options& options, mem::FrameMemory& frames, mem::ReferenceSink& sink, bool direct,
         PhysAddr code)
    : options_(&options),
      frames_(&frames),
      direct_(direct),
      hash_(options.hash()),
      // A bundle of 16 bytes holds three instructions.
      path_(kStepList, frames, sink,
            {.base = code, .bytes_per_instruction = 16, .instructions_per_unit = 3}),
      l1i_(options.l1i, kPage, true, options.l2i.empty() ? options.pinned_instruction() : 0),
      l1d_(options.l1d, kPage, true, options.l2d.empty() ? options.pinned_data() : 0),
      fetch_filter_(&l1i_.filter()),
      data_filter_(&l1d_.filter()),
      key_tag_(kNoTag),
      tag_owners_(kTags, 0) {
  path_.decode_with(decode);
  if (!options.l2i.empty()) l2i_.emplace(options.l2i, kPage, false, options.pinned_instruction());
  if (!options.l2d.empty()) l2d_.emplace(options.l2d, kPage, false, options.pinned_data());
  if (options.walker == Walker::Long)
    vhpt_.emplace(hash_, options.vhpt_bytes, options.chains ? options.chain_entries : 0,
                  options.exchange, frames, sink, path_);
  sides_[0] = {.first = &l1i_,
               .second = l2i_ ? &*l2i_ : nullptr,
               .counters = &counters_.sides[0],
               .data = false,
               .names = {"first-level instruction TLB", "second-level instruction TLB"}};
  sides_[1] = {.first = &l1d_,
               .second = l2d_ ? &*l2d_ : nullptr,
               .counters = &counters_.sides[1],
               .data = true,
               .names = {"first-level data TLB", "second-level data TLB"}};
  for (unsigned region = kKernelRegion; region < kRegions; ++region)
    registers_[region] = {.walker = region == kKernelRegion && options.walks(),
                          .preferred = region == kKernelRegion ? kPage : PageShift(options.granule),
                          .rid = rid_of(region_base(region), 0)};
  pin_kernel();
}

// What Linux keeps in translation registers: its image on both sides, PAL code, the granule its
// stack is in (the highest of memory, by choice), and the VHPT.
void Mmu::pin_kernel() {
  tlb::Level& instructions = l2i_ ? *l2i_ : l1i_;
  tlb::Level& data = last_data_level();
  const auto leaf = [](PhysAddr at, PageShift size) {
    return tlb::Leaf{.pfn = Pfn((at.value() & ~size.offset_mask()) >> kPage.log2()),
                     .size = size,
                     .rights = Rights(Rights::kRead | Rights::kWrite | Rights::kExec),
                     .dirty = true,
                     .global = false,
                     .extra = kEntryPresent | kEntryAccessed};
  };
  const PageShift image(kImageShift);
  const PageShift granule(options_->granule);
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

template <class Action>
void Mmu::on_every_level(Action action) {
  action(l1i_);
  action(l1d_);
  if (l2i_) action(*l2i_);
  if (l2d_) action(*l2d_);
}

Rid Mmu::rid_of(VirtAddr va, Context context) const {
  const Rid rid = context << 3 | region_of(va);
  return options_->swap_rid ? exchange_bytes(rid) : rid;
}

Context Mmu::context_of(Rid rid) const {
  return (options_->swap_rid ? exchange_bytes(rid) : rid) >> 3;
}

bool Mmu::implemented(VirtAddr va) const {
  constexpr unsigned kTop = kRegionShift;  // bits 60:va_msb all alike
  const uint64_t upper = va.value() << (64 - kTop) >> (64 - kTop) >> options_->va_msb;
  return upper == 0 || upper == (uint64_t{1} << (kTop - options_->va_msb)) - 1;
}

bool Mmu::mappable(VirtAddr va) {
  const unsigned unused = 64 - region_bits(options_->levels);
  const uint64_t offset = va.value() << (64 - kRegionShift) >> (64 - kRegionShift);
  if (offset << unused >> unused == offset) return true;
  miss_fault_ = mmu::FaultReason::NonCanonical;
  return false;
}

void Mmu::remark_lookup(const char* level, const Hit& hit) {
  if (!hit) {
    path_.remark(fmt::format("{}: miss", level));
    return;
  }
  const tlb::Payload& entry = *hit.payload;
  path_.remark(
      fmt::format("{}: hit, {} page in frame {:#x}{}{}{}", level, format_size(entry.size.bytes()),
                  entry.pfn.value(), (entry.extra & kEntryPresent) != 0 ? "" : ", p = 0",
                  (entry.extra & kEntryAccessed) != 0 ? ", a" : "", entry.dirty ? ", d" : ""));
}

mmu::Translation Mmu::access(VirtAddr va, AccessKind kind, bool retry) {
  Side& side = sides_[kind == AccessKind::Fetch ? 0 : 1];
  if (retry) {
    ++side.counters->retry_lookups;
    if (options_->identity && table_ != nullptr) note_kernel_work(va);
  }
  if (!implemented(va)) {
    if (!retry) ++side.counters->unimplemented;
    return fault(mmu::FaultReason::NonCanonical);
  }
  if (table_ == nullptr) {
    ++(retry ? side.counters->retry_misses : side.counters->misses);
    if (side.second != nullptr)
      ++(retry ? side.counters->retry_second_misses : side.counters->second_misses);
    return fault(mmu::FaultReason::NotPresent);
  }

  const Rid rid = rid_of(va);
  Hit hit = side.first->find(va, rid);
  if (path_.narrated()) remark_lookup(side.names[0], hit);
  if (hit) {
    side.first->touch(hit);
  } else {
    ++(retry ? side.counters->retry_misses : side.counters->misses);
    hit = second_level(side, va, rid, retry);
    if (!hit) hit = refill(side, va, rid);
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

Mmu::Hit Mmu::second_level(Side& side, VirtAddr va, Rid rid, bool retry) {
  if (side.second == nullptr) return {};
  const Hit hit = side.second->find(va, rid);
  if (path_.narrated()) remark_lookup(side.names[1], hit);
  if (!hit) {
    ++(retry ? side.counters->retry_second_misses : side.counters->second_misses);
    return {};
  }
  side.second->touch(hit);
  return side.first->fill(va, rid, leaf_of(*hit.payload, va));
}

mmu::Translation Mmu::finish(Side& side, VirtAddr va, const Hit& hit) {
  const tlb::Payload& entry = *hit.payload;
  if (side.data)
    side.first->filter_install(hit, key_of(va), entry.rights.has(Rights::kRead),
                               entry.rights.has(Rights::kWrite) && entry.dirty);
  else
    side.first->filter_install(hit, key_of(va), entry.rights.has(Rights::kExec), false);
  const uint64_t into_entry = va.value() & entry.size.offset_mask();
  return {.fault = mmu::FaultReason::None,
          .pfn = entry.pfn + (into_entry >> kPage.log2()),
          .size = entry.leaf,
          .rights = entry.rights};
}

mmu::Translation Mmu::fault(mmu::FaultReason reason) {
  miss_fault_ = mmu::FaultReason::NotPresent;
  ++counters_.faults[static_cast<unsigned>(reason)];
  path_.step(kPageFault);
  return {.fault = reason, .pfn = {}, .size = {}, .rights = {}};
}

void Mmu::load(Context context, pt::PageTable& table, mmu::TableCopy* linear) {
  table_ = &table;
  linear_ = linear;
  for (unsigned region = 0; region < kUserRegions; ++region)
    registers_[region] = {.walker = options_->walks(),
                          .preferred = kPage,
                          .rid = rid_of(region_base(region), context)};
  // What the filters know under this tag may be another context's.
  const uint64_t tag = context % kTags;
  if (tag_owners_[tag] != context) {
    if (tag_owners_[tag] != 0) {
      l1i_.filter_clear();
      l1d_.filter_clear();
      tag_owners_.assign(kTags, 0);
    }
    tag_owners_[tag] = context;
  }
  key_tag_ = tag << kKeyPageBits;
  ++generation_;
}

void Mmu::set_gate(VirtRange range, pt::PageTable& table, mmu::TableCopy* linear) {
  gate_ = range;
  gate_table_ = &table;
  gate_linear_ = linear;
}

void Mmu::unload() {
  table_ = nullptr;
  linear_ = nullptr;
  key_tag_ = kNoTag;
  ++generation_;
}

void Mmu::purge(VirtRange range, Context context) {
  const Rid rid = rid_of(range.begin, context);
  on_every_level([&](tlb::Level& level) { level.invalidate_range(range, rid); });
  ++generation_;
}

void Mmu::purge_vhpt(VirtRange range, Context context) {
  if (!vhpt_ || range.empty()) return;
  const Rid rid = rid_of(range.begin, context);
  const VirtAddr first = align_down(range.begin, kPage);
  const uint64_t pages = ((range.end - 1 - first) >> kPage.log2()) + 1;
  // More pages than slots: each slot would be written, some more than once.
  if (pages > vhpt_->bytes() / kVhptEntryBytes) {
    vhpt_->clear();
    return;
  }
  for (uint64_t i = 0; i < pages; ++i)
    vhpt_->purge(first + (i << kPage.log2()), rid);
}

void Mmu::purge_entries(VirtAddr va, Rid rid) {
  on_every_level([&](tlb::Level& level) { level.invalidate_page(va, rid); });
  ++generation_;
}

void Mmu::purge_all() {
  on_every_level([](tlb::Level& level) { level.invalidate_all(); });
  if (vhpt_) vhpt_->clear();
  ++generation_;
}

void Mmu::for_each_entry(
    const std::function<void(const char* where, const tlb::EntryView& entry)>& visit) const {
  const auto level = [&visit](const char* where, const tlb::Level& entries) {
    entries.for_each([&](const tlb::EntryView& entry) {
      if (!entry.locked) visit(where, entry);
    });
  };
  level("l1i", l1i_);
  level("l1d", l1d_);
  if (l2i_) level("l2i", *l2i_);
  if (l2d_) level("l2d", *l2d_);
}

MmuCounters Mmu::counters() const {
  MmuCounters counters = counters_;
  const auto of = [](const tlb::Level& level) {
    return LevelCounters{level.fills(), level.evictions(), level.invalidated()};
  };
  counters.levels[kL1I] = of(l1i_);
  counters.levels[kL1D] = of(l1d_);
  if (l2i_) counters.levels[kL2I] = of(*l2i_);
  if (l2d_) counters.levels[kL2D] = of(*l2d_);
  if (vhpt_) counters.vhpt = vhpt_->counters();
  return counters;
}

}  // namespace mmusim::ia64
