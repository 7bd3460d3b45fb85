#include "arch/ppc64/htab.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

#include "arch/ppc64/steps.h"
#include "arch/ppc64/words.h"
#include "base/error.h"

namespace mmusim::ppc64 {

namespace {

constexpr unsigned kMostAttempts = 64;
constexpr uint64_t kSecond = 8;  // offset of an HPTE's second doubleword

// A part of the table that the host can have in one page of its own.
constexpr uint64_t kPart = uint64_t{2} << 20;

mmu::MissPath::Access handler(const WordKind& what) {
  return {.origin = mem::Origin::Handler, .level = 0, .dependent = false, .what = &what};
}

}  // namespace

uint64_t Htab::bytes_for(uint64_t memory, PageShift page) {
  constexpr uint64_t kLeastGroups = uint64_t{1} << 11;
  return std::max(std::bit_ceil(memory) >> (page.log2() + 1), kLeastGroups) * hpte::kGroupBytes;
}

Htab::Htab(uint64_t bytes, bool tera_segments, mem::FrameMemory& frames, mem::ReferenceSink& sink)
    : bytes_(bytes != 0 ? bytes
                        : bytes_for(frames.total_frames() * frames.page().bytes(), frames.page())),
      tera_segments_(tera_segments),
      page_(frames.page()),
      mask_(bytes_ / hpte::kGroupBytes - 1),
      frames_(&frames),
      sink_(&sink),
      hints_(frames.page()) {
  const auto base = frames.reserve(bytes_, mem::FrameUse::SoftTlb);
  if (!base)
    throw Error("", "out of simulated memory for the hashed page table",
                "give the machine more with mem.bytes, or the table less with ppc64.htab.bytes");
  base_ = *base;
  words_ = frames.words(base_);
  made_in_.resize(bytes_ / (kHostPage * kPagesPerWord) + 1);
  bolt_linear_map();
}

void Htab::bolt_linear_map() {
  const uint64_t memory = frames_->total_frames() * page_.bytes();
  // So that groups of bolted entries only are all but impossible.
  if (memory / kLargePage.bytes() > bytes_ / hpte::kBytes / 4)
    throw Error("ppc64.htab.bytes",
                "the kernel's linear map would fill more than a quarter of the hashed page table",
                "give the table at least 1/262144 of mem.bytes");
  for (uint64_t at_memory = 0; at_memory < memory; at_memory += kLargePage.bytes()) {
    const VirtAddr va = kLinearMap + at_memory;
    const Segment segment = linear_segment(va, tera_segments_);
    const uint64_t group = hash_of(va, segment, kLargePage) & mask_;
    uint64_t slot = group * hpte::kGroup;
    for (; slot < (group + 1) * hpte::kGroup; ++slot) {
      uint64_t& first = word(at(slot));
      if (hpte::Valid::get(first) != 0) continue;
      first = compared_of(va, segment, kLargePage) | hpte::Bolted::kMask | hpte::Large::kMask |
              hpte::Valid::kMask;
      // The kernel's text is in the first page; PP 0: the kernel's alone.
      word(at(slot) + kSecond) = at_memory | hpte::Referenced::kMask | hpte::Changed::kMask |
                                 hpte::Coherent::kMask |
                                 (at_memory == 0 ? 0 : hpte::NoExecute::kMask);
      note_entry(at(slot));
      ++counters_.bolted;
      break;
    }
    // Linux puts them into primary groups only, and stops there too.
    if (slot == (group + 1) * hpte::kGroup)
      throw Error(
          "ppc64.htab.bytes",
          "a group of the hashed page table has no room for a page of the kernel's linear map",
          "make the table larger");
  }
}

// A Weyl sequence: every bit of it changes as if at random.
uint64_t Htab::timebase() {
  time_ += 0x9e37'79b9'7f4a'7c15;
  return time_ >> 32;
}

// A page that is nowhere is looked for in a group that may have nothing around it, and of which the
// host need not have the words, which are zeros.
template <bool kWatched>
std::optional<Htab::Found> Htab::search_secondary(const Page& page, bool write,
                                                  mmu::MissPath& path) {
  const uint64_t number = group_of(page, Group::Secondary);
  if (!kWatched && !made_near(number)) {
    ++path.count_of_loads(mem::Origin::Walker, static_cast<unsigned>(Group::Secondary));
    counters_.words += hpte::kGroup;
    return std::nullopt;
  }
  const Place found =
      search_group<kWatched>(number, Group::Secondary, first_of(page, Group::Secondary), page_,
                             counters_.words.value, path);
  if (found.entry == nullptr) return std::nullopt;
  ++counters_.secondary_hits;
  return take(found, Group::Secondary, write, path);
}
template std::optional<Htab::Found> Htab::search_secondary<true>(const Page&, bool, mmu::MissPath&);
template std::optional<Htab::Found> Htab::search_secondary<false>(const Page&, bool,
                                                                  mmu::MissPath&);

void Htab::set_bits(const Place& found, Group group, uint64_t second, mmu::MissPath& path) {
  const uint64_t old = found.entry[1];
  counters_.referenced_set += hpte::Referenced::get(old ^ second);
  counters_.changed_set += hpte::Changed::get(old ^ second);
  path.store(found.address + kSecond, second, walker(words::kSecond, group, /*dependent=*/true));
}

[[gnu::cold]] void Htab::remark_place(uint64_t number, const uint64_t* entry, bool found,
                                      mmu::MissPath& path) {
  path.remark(fmt::format("place {}: {}", number, fields_text(words::kFirstFields, entry[0])));
  if (found)
    path.remark(fmt::format("  it is the page's: {}", fields_text(words::kSecondFields, entry[1])));
}

// R and C are set, so that nothing is written.
uint64_t Htab::search_linear(VirtAddr va, mmu::MissPath& path) {
  const Segment segment = linear_segment(va, tera_segments_);
  const uint64_t wanted = compared_of(va, segment, kLargePage) | hpte::Valid::kMask;
  uint64_t compared = 0;
  const Place found = search_group<true>(hash_of(va, segment, kLargePage) & mask_, Group::Primary,
                                         wanted, kLargePage, compared, path);
  MMUSIM_ASSERT(found.entry != nullptr);
  return found.entry[1];
}

unsigned Htab::insert(const Page& page, const Found& made, mmu::MissPath& path) {
  ++counters_.inserts;
  path.step(kInsert);
  if (made.actual != k4K) path.more_instructions(kInsert, more::kLargeInsert);
  for (unsigned attempt = 0; attempt < kMostAttempts; ++attempt) {
    for (const Group group : {Group::Primary, Group::Secondary}) {
      const auto place = take_place(page, group, made, path);
      path.more_instructions(kInsert, place ? *place * more::kTakenPlace : more::kFullGroup);
      if (!place) continue;
      const unsigned hint = *place | (group == Group::Secondary ? 8u : 0u);
      if (group == Group::Secondary) ++counters_.secondary_inserts;
      hints_.set(page.context, page.base, hint);
      counters_.used_peak = std::max<uint64_t>(counters_.used_peak, used_);
      return hint;
    }
    evict(page, path);
    path.resume(kInsert);
  }
  throw Error("ppc64.htab.bytes", "bolted entries fill both groups a page may be in",
              "give the machine a larger hashed page table");
}

// The first free place of the group, as native_hpte_insert takes it: under the lock bit, the second
// doubleword first, and the first one, which also unlocks, last.
std::optional<unsigned> Htab::take_place(const Page& page, Group group, const Found& made,
                                         mmu::MissPath& path) {
  const uint64_t first_slot = group_of(page, group) * hpte::kGroup;
  for (unsigned i = 0; i < hpte::kGroup; ++i) {
    const PhysAddr entry = at(first_slot + i);
    const uint64_t old = path.load(entry, handler(words::kFirst));
    if (hpte::Valid::get(old) != 0) continue;
    path.store(entry, old | hpte::Lock::kMask, handler(words::kFirst));
    path.load(entry, handler(words::kFirst));  // once more, now that nobody else may change it
    path.store(entry + kSecond, made.second, handler(words::kSecond));
    path.store(entry, first_of(page, group) | hpte_large(made.actual), handler(words::kFirst));
    ++used_;
    note_entry(entry);
    return i;
  }
  return std::nullopt;
}

// An eighth of a part's pages, so that the host has at most eight times the memory for it.
void Htab::note_entry(PhysAddr entry) {
  const uint64_t page = (entry - base_) / kHostPage;
  uint64_t& made = made_in_[page / kPagesPerWord];
  const uint64_t bit = uint64_t{1} << page % kPagesPerWord;
  if ((made & bit) != 0) [[likely]]
    return;
  made |= bit;
  if (bytes_ < kPart) return;
  constexpr uint64_t kPages = kPart / kHostPage;
  const uint64_t first = page / kPages * kPages / kPagesPerWord;
  int pages = 0;
  for (uint64_t i = first; i < first + kPages / kPagesPerWord; ++i)
    pages += std::popcount(made_in_[i]);
  if (pages == kPages / 8) frames_->densely_used(entry);
}

// native_hpte_remove, of one of the page's groups; no tlbie. A group of bolted entries only has
// nothing to give.
void Htab::evict(const Page& page, mmu::MissPath& path) {
  path.step(kEvict);
  const Group which = (timebase() & 1) != 0 ? Group::Primary : Group::Secondary;
  if (which == Group::Secondary) path.more_instructions(kEvict, more::kSecondary);
  const uint64_t group = group_of(page, which);
  const uint64_t start = timebase();
  for (unsigned i = 0; i < hpte::kGroup; ++i) {
    const uint64_t slot = group * hpte::kGroup + ((start + i) & (hpte::kGroup - 1));
    const uint64_t old = path.load(at(slot), handler(words::kFirst));
    if (hpte::Valid::get(old) == 0 || hpte::Bolted::get(old) != 0) {
      path.more_instructions(kEvict, more::kPassedOver);
      continue;
    }
    path.store(at(slot), old | hpte::Lock::kMask, handler(words::kFirst));
    path.load(at(slot), handler(words::kFirst));  // as at an insertion
    path.store(at(slot), 0, handler(words::kFirst));
    --used_;
    ++counters_.evictions;
    return;
  }
}

bool Htab::update(const Page& page, uint64_t second, mmu::MissPath& path) {
  path.step(kUpdatePp);
  const auto hint = hints_.find(page.context, page.base);
  MMUSIM_ASSERT(hint.has_value());
  if ((*hint & 8) != 0) path.more_instructions(kUpdatePp, more::kSecondary);
  const PhysAddr entry = at(slot_of(page, *hint));
  const uint64_t first = word(entry);
  path.store(entry, first | hpte::Lock::kMask, handler(words::kFirst));
  path.load(entry, handler(words::kFirst));
  const bool same = (first & hpte::kCompared) == compared_of(page.base, page.segment, page_);
  const bool ours = same && hpte::Valid::get(first) != 0;
  if (ours)
    path.more_instructions(kUpdatePp, more::kUpdated);
  else if (same)
    path.more_instructions(kUpdatePp, more::kNotValid);
  if (ours) {
    constexpr uint64_t kChanged = hpte::Protection::kMask | hpte::NoExecute::kMask;
    const uint64_t old = path.load(entry + kSecond, handler(words::kSecond));
    path.store(entry + kSecond, (old & ~kChanged) | (second & kChanged), handler(words::kSecond));
  }
  path.store(entry, first, handler(words::kFirst));
  ++(ours ? counters_.updates : counters_.updates_missed);
  return ours;
}

void Htab::invalidate(const Page& page, const std::function<void(PhysAddr)>& before) {
  const auto hint = hints_.find(page.context, page.base);
  MMUSIM_ASSERT(hint.has_value());
  const uint64_t slot = slot_of(page, *hint);
  hints_.erase(page.context, page.base);
  const PhysAddr entry = at(slot);
  const auto reference = [&](bool write) {
    before(entry);
    sink_->reference(entry, sizeof(uint64_t), write,
                     {.origin = mem::Origin::Kernel, .dependent = !write});
  };
  reference(false);
  reference(true);  // locked
  reference(true);  // cleared, or unlocked
  const uint64_t first = word(entry);
  if (hpte::Valid::get(first) == 0 ||
      (first & hpte::kCompared) != compared_of(page.base, page.segment, page_)) {
    ++counters_.invalidates_missed;
    return;
  }
  word(entry) = 0;
  --used_;
  ++counters_.invalidated;
}

void Htab::for_each(
    const std::function<void(Context context, VirtAddr page, const Found& entry)>& visit) const {
  hints_.for_each([&](Context context, VirtAddr va, unsigned hint) {
    const Page page{context, va, user_segment(va, context, tera_segments_)};
    const uint64_t* const words = words_ + slot_of(page, hint) * (hpte::kBytes / sizeof(uint64_t));
    if (hpte::Valid::get(words[0]) == 0 ||
        (words[0] & hpte::kCompared) != compared_of(va, page.segment, page_))
      return;  // evicted, and perhaps another's
    const uint64_t second = words[kSecond / sizeof(uint64_t)];
    visit(context, va, {second, *actual_page(words[0], second, page_)});
  });
}

}  // namespace mmusim::ppc64
