#include "arch/ppc64/mmu.h"

#include "arch/ppc64/words.h"
#include "base/error.h"

namespace mmusim::ppc64 {

namespace {

constexpr VirtAddr kProgramBase(0x10000000);  // where Linux puts a program

tlb::Leaf hpte_leaf(const Htab::Found& entry, PageShift page) {
  return {.pfn = hpte_frame(entry.second, entry.actual, page),
          .size = entry.actual,
          .rights = rights_of(entry.second),
          .dirty = hpte::Changed::get(entry.second) != 0};
}

}  // namespace

Mmu::Mmu(const Options& options, Htab& htab, mem::FrameMemory& frames, mem::ReferenceSink& sink,
         PhysAddr code, Invalidate invalidate)
    : Cpu(kTlbs, options.tlb, {}, options.page, steps_of(options.linear_map), frames, sink,
          {.base = code}),
      options_(&options),
      htab_(&htab),
      frames_(&frames),
      format_(options.page, options.mpss),
      actual_pages_(actual_pages(options)),
      form_(&pte_form(options.page)),
      broadcast_(std::move(invalidate)),
      slb_(options.slb_entries, options.tera_segments, options.page) {
  if (!options.linear_map) return;
  linear_.emplace(LinearMap::Parts{.ierat = level(kIerat),
                                   .derat = level(kDerat),
                                   .tlb = level(kTlb),
                                   .slb = slb_,
                                   .htab = htab,
                                   .path = path_,
                                   .page = options.page});
  path_.view_by(&*linear_);
}

mmu::Translation Mmu::access(VirtAddr va, AccessKind kind, bool retry) {
  const SideLevels& side = this->side(kind);
  if (retry) ++side.counters->retry_lookups;
  if (!is_user(va)) [[unlikely]] {
    // No segment: Linux's handler has no VSID for it.
    count_outside(side, retry);
    path_.step(side.data ? kDataSegment : kInstructionSegment);
    return fault(mmu::FaultReason::NonCanonical);
  }
  if (table_ == nullptr) [[unlikely]]
    return nothing_loaded(side, retry);
  if (retry) finish_fault(va, kind);
  const Hit hit = retry || path_.watched() ? translate_told(side, va, kind, true, retry)
                                           : translate<true>(side, va, kind, true, false);
  if (hit && hit.payload->rights.allows(kind)) [[likely]]
    return finish(side, va, hit);
  return hash_fault(side, va, kind, retry);
}

// What the kernel touched and what it hashes is by one walk: nothing changes the table in between.
void Mmu::finish_fault(VirtAddr va, AccessKind kind) {
  const Walked walked(*table_, format_, va);
  if (linear_) note_kernel_work(va, walked);
  preload(va, kind, walked);
}

mmu::Translation Mmu::hash_fault(const SideLevels& side, VirtAddr va, AccessKind kind, bool retry) {
  // Perhaps there is another because the entry was there without the right.
  constexpr unsigned kMostTries = 4;
  for (unsigned attempt = 0; attempt < kMostTries; ++attempt) {
    ++counters_.hash_faults;
    path_.step(side.data ? kDataStorage : kInstructionStorage);
    const Walked walked(*table_, format_, va);
    const mmu::FaultReason reason = hash_page(va, kind, kHashPage, walked);
    if (reason != mmu::FaultReason::None) return fault(reason);
    path_.step(kRetry);
    ++counters_.hash_faults_fixed;
    const Hit hit = translate_told(side, va, kind, false, retry);
    if (hit && hit.payload->rights.allows(kind)) return finish(side, va, hit);
  }
  MMUSIM_ASSERT(false);
  return fault(mmu::FaultReason::Malformed);
}

Mmu::Hit Mmu::translate_told(const SideLevels& side, VirtAddr va, AccessKind kind, bool first,
                             bool retry) {
  return translate<false>(side, va, kind, first, retry);
}

template <bool kPlain>
inline Mmu::Hit Mmu::translate(const SideLevels& side, VirtAddr va, AccessKind kind, bool first,
                               bool retry) {
  const auto remark = [&](const char* what, bool found) {
    if constexpr (!kPlain) remark_found(what, found);
  };
  const bool write = writes(kind);
  Hit hit = side.first->find(va, context_);
  remark(side.shown_first, static_cast<bool>(hit));
  // A store by an entry that has no C yet is the hardware's to search for again.
  const auto usable = [&](const Hit& found) {
    return found && (!write || found.payload->dirty || !found.payload->rights.allows(kind));
  };
  if (usable(hit)) {
    side.first->touch(hit);
    return hit;
  }
  if (first && !hit) miss_first(side, retry);

  ++slb_.counters.lookups;
  const Slb::Entry* segment = slb_.find(va);
  remark("SLB", segment != nullptr);
  if (segment == nullptr) [[unlikely]] {
    ++slb_.counters.misses;
    make_segment(va, side.data ? kDataSegment : kInstructionSegment);
    segment = slb_.find(va);
  }

  const bool missed = !hit;
  tlb::Level& tlb = *side.second;
  hit = tlb.find(va, context_);
  if (missed) remark(side.shown_second, static_cast<bool>(hit));
  if (usable(hit)) {
    tlb.touch(hit);
    if (!missed) side.first->invalidate_page(va, context_);
    return fill_first(side, va, context_, hit);
  }
  if (first && missed && !hit) miss_second(side, retry);

  path_.hardware_step(kWalk);
  const std::optional<Htab::Found> found =
      htab_->search<!kPlain>(page_of(va, Slb::segment_of(*segment)), write, path_);
  if (!found) return {};
  const tlb::Leaf leaf = hpte_leaf(*found, options_->page);
  // Segments are made in real mode, so that nothing has been looked up since.
  if (missed && !hit) [[likely]]
    return fill_missed(side, va, context_, leaf);
  // An entry that has no C yet goes.
  if (!missed) side.first->invalidate_page(va, context_);
  if (hit) tlb.invalidate_page(va, context_);
  return fill(side, va, context_, leaf);
}

void Mmu::make_segment(VirtAddr va, unsigned step) {
  path_.step(step);
  path_.more_instructions(step, slb_.fill(va, context_));
}

PageShift Mmu::actual_of(const pt::LeafFields& leaf) const {
  const PageShift most = leaf.hint.value_or(leaf.size);
  PageShift actual = form_->page;
  for (const PageShift size : actual_pages_)
    if (size <= most) actual = size;
  return actual;
}

// do_hash_page's C part. A larger leaf is hashed piece by piece as its base pages are touched.
mmu::FaultReason Mmu::hash_page(VirtAddr va, AccessKind kind, unsigned step, const Walked& walked) {
  path_.step(step);
  path_.more_instructions(step, more::segment_of(va, options_->tera_segments));
  const pt::Lookup& found = walked.found;
  path_.report_walk(*table_, va, step, walked.words);
  const bool preloading = step == kHashPreload;
  const auto took = [&](unsigned instructions) {
    if (!preloading) path_.more_instructions(step, instructions);
  };
  if (!walked.present) {
    if (found.has_slot || found.entry != pt::kNone) took(more::kEmptyEntry);
    return mmu::FaultReason::NotPresent;
  }
  const Rights rights(walked.leaf.rights.bits() & found.mask.bits());
  if (preloading ? (rights.bits() & Rights::kRead) == 0 : !rights.allows(kind)) {
    took(more::kNoRight);
    return mmu::FaultReason::Protection;
  }
  took(more::kAllowed + (form_->page == k64K ? more::kAllowed64K : 0));
  pt::Entry marked = found.entry | pte::Accessed::kMask;
  if (writes(kind) && !preloading) marked |= pte::Dirty::kMask;
  hash_entry(va, walked, marked);
  return mmu::FaultReason::None;
}

void Mmu::hash_entry(VirtAddr va, const Walked& walked, pt::Entry marked) {
  const pt::Lookup& found = walked.found;
  const pt::WalkStep& word = walked.words.steps().back();
  const Htab::Page page = page_of(va);
  path_.step(kHashEntry);
  path_.more_instructions(kHashEntry, (page.segment.tera ? more::kTeraHash : 0) +
                                          (form_->page == k64K ? more::k64KHash : 0) +
                                          (options_->coherent_icache ? 0 : more::kLazyIcache));
  // stdcx. of the entry, busy. It is changed at the end only, when the HPTE's place is known: what
  // that reads stands for the ldarx, and what it writes for the store that unlocks.
  path_.touch(word.address, word.bytes, true, marked | pte::Busy::kMask,
              {.level = word.level, .dependent = false, .what = &words::kBusyEntry});
  pt::Lookup hashed = found;
  hashed.entry = marked;
  const PageShift actual = actual_of(walked.leaf);
  const uint64_t second = hpte_second(format_.part_of(hashed, va, actual), *form_, actual);
  if (actual != form_->page) ++counters_.pieces;

  bool updated = false;
  if (htab_->hinted(page)) {
    updated = htab_->update(page, second, path_);
    // In either case.
    if (broadcast_(va))
      path_.more_instructions(kUpdatePp, more::kLocal);
    else if (options_->tlbie_lock)
      path_.more_instructions(kUpdatePp, more::kTlbieLock);
  }
  if (!updated) {
    const unsigned hint = htab_->insert(page, {second, actual}, path_);
    if (found.size == form_->page && !found.shared) {
      marked = (marked & ~form_->hint) | form_->hash_pte;
      marked = pte::Slot::set(marked, hint & 7);
      marked = pte::Secondary::set(marked, hint >> 3);
    }
  }
  path_.resume(kHashEntry);
  // Nothing has happened since the handle was taken.
  const pt::Status status = path_.install(*table_, va, found, marked, word);
  MMUSIM_ASSERT(status == pt::Status::Ok);
}

// update_mmu_cache: only pages the fault has marked accessed. A huge page is left to the first hash
// fault (update_mmu_cache_pmd).
void Mmu::preload(VirtAddr va, AccessKind kind, const Walked& walked) {
  const pt::Lookup& found = walked.found;
  if (!walked.present || !format_.is_accessed(found.entry)) return;
  if (found.size != form_->page && actual_of(walked.leaf) != form_->page) return;
  if (hash_page(va, kind, kHashPreload, walked) == mmu::FaultReason::None) ++counters_.preloads;
}

void Mmu::note_kernel_work(VirtAddr va, const Walked& walked) {
  const pt::Lookup& found = walked.found;
  if (walked.words.steps().empty() || found.entry == pt::kNone) return;
  kernel_access(walked.words.steps().back().address);
  if (!walked.present) return;
  kernel_access(
      frames_->address_of(walked.leaf.pfn + ((va - found.base) >> options_->page.log2())));
}

void Mmu::load(Context context, pt::PageTable& table) {
  table_ = &table;
  context_ = context;
  empty_slb();
  for (const VirtAddr va : {VirtAddr((uint64_t{1} << kUserBits) - 1), kProgramBase}) {
    if (slb_.has(va)) continue;
    ++slb_.counters.preloads;
    make_segment(va, kSlbPreload);
  }
}

void Mmu::unload() {
  table_ = nullptr;
  empty_slb();
}

// Class 1 is user space's, which slbie names; slbia leaves ERATs nothing.
void Mmu::empty_slb() {
  const bool all = slb_.empty();
  for (const Level erat : {kIerat, kDerat})
    level(erat).invalidate_if(
        [all](const tlb::EntryView& e) { return all || e.space != kLinearSpace; });
  if (linear_) linear_->emptied();
  changed();
}

void Mmu::invalidate(VirtAddr va, Context context) {
  on_every_level([&](tlb::Level& level) { level.invalidate_page(va, context); });
}

Mmu::Counters Mmu::counters() const {
  Counters all = all_counters();
  stats::add(all.slb, slb_.counters);
  if (linear_) stats::add(all.linear, linear_->counters());
  return all;
}

}  // namespace mmusim::ppc64
