#include "arch/sparc64/tsb.h"

#include <span>
#include <utility>

#include "arch/sparc64/words.h"
#include "base/error.h"

namespace mmusim::sparc64 {

namespace {

constexpr uint64_t kUnusable = tsb::Lock::kMask | tsb::Invalid::kMask;
constexpr PageShift kByCode[tsb::kSizeCodes] = {kSizes[0], kSizes[1], kSizes[1], kSizes[1],
                                                kSizes[2], kSizes[2], kSizes[2], kSizes[3]};

// The index is of the registers', not of something read before.
mmu::MissPath::Access access(std::optional<VirtAddr> through, const WordKind& what,
                             bool dependent = false) {
  return {.dependent = dependent, .through = through, .what = &what};
}

unsigned order_of(unsigned code) {
  return code;  // the smallest is one page
}

}  // namespace

std::unique_ptr<Tsb> Tsb::make(mem::FrameMemory& frames, MmId owner, unsigned code, PageShift page,
                               std::optional<VirtAddr> map) {
  static_assert(tsb::kLeastEntries * tsb::kEntryBytes == kPage.bytes());
  const auto first = frames.allocate(order_of(code), mem::FrameUse::SoftTlb, owner.value());
  if (!first) return nullptr;
  const PhysAddr base = frames.address_of(*first);
  if (map && code == 0)
    *map += base.value() & kPage.bytes();  // of the same colour, for the D-cache
  std::unique_ptr<Tsb> made(new Tsb(frames, base, code, page, map));
  made->clear();
  return made;
}

Tsb::~Tsb() {
  take_apart([this] { frames_->free(frames_->frame_of(base_), order_of(code_)); });
}

PageShift Tsb::mapping_size() const {
  return kByCode[code_];
}

std::optional<VirtAddr> Tsb::through(PhysAddr address) const {
  if (!map_) return std::nullopt;
  return *map_ + (address.value() & mapping_size().offset_mask());
}

uint64_t Tsb::register_value() const {
  const std::optional<VirtAddr> mapped = through(base_);
  return (mapped ? mapped->value() : base_.value()) | code_;
}

uint64_t Tsb::mapping_tte() const {
  uint64_t word = tte::Valid::kMask | tte::Locked::kMask | tte::CacheablePhysical::kMask |
                  tte::CacheableVirtual::kMask | tte::Privileged::kMask | tte::Writable::kMask |
                  tte::Present::kMask | tte::Accessed::kMask | tte::Read::kMask |
                  tte::Write::kMask | tte::Modified::kMask | tte::Exec::kMask;
  word = tte::Size::set(word, size_code_of(mapping_size()));
  return word | (base_.value() & ~mapping_size().offset_mask());
}

std::optional<uint64_t> Tsb::probe(VirtAddr va, mmu::MissPath& path) const {
  const PhysAddr entry = entry_of(va);
  const std::span<const uint64_t, 2> words(frames_->words(entry), 2);
  path.touch(entry, tsb::kEntryBytes, false, words, access(through(entry), words::kTsbEntry));
  if (words[0] != tsb::tag_of(va)) return std::nullopt;
  return words[1];
}

void Tsb::insert(VirtAddr va, uint64_t tte, mmu::MissPath& path) {
  const PhysAddr entry = entry_of(va);
  const auto at = through(entry);
  const uint64_t old = word(entry);
  path.touch(entry, 4, false, old, access(at, words::kTag));
  path.touch(entry, 4, true, old | tsb::Lock::kMask, access(at, words::kTag));
  path.store(entry + 8, tte, access(through(entry + 8), words::kTte));
  path.store(entry, tsb::tag_of(va), access(at, words::kTag));
}

uint64_t Tsb::flush(VirtAddr va, PageShift size, mem::ReferenceSink& sink) {
  uint64_t found = 0;
  const PageShift step = page_ < size ? page_ : size;
  const VirtAddr begin = align_down(va, size);
  for (uint64_t at = 0; at < size.bytes(); at += step.bytes()) {
    const PhysAddr entry = entry_of(begin + at);
    sink.reference(entry, 8, false, {.origin = mem::Origin::Kernel});
    if (word(entry) != tsb::tag_of(begin + at)) continue;
    word(entry) = tsb::Invalid::kMask;
    sink.reference(entry, 8, true, {.origin = mem::Origin::Kernel});
    ++found;
  }
  return found;
}

uint64_t Tsb::copy(const Tsb& old, mem::ReferenceSink& sink) {
  MMUSIM_ASSERT(old.page_ == page_);
  uint64_t copied = 0;
  sink.reference_run(old.base_, tsb::kEntryBytes, old.entries(), false,
                     {.origin = mem::Origin::Kernel});
  old.for_each([&](VirtAddr va, uint64_t tte) {
    const PhysAddr entry = entry_of(va);
    word(entry) = tsb::tag_of(va);
    word(entry + 8) = tte;
    sink.reference_run(entry, 8, 2, true, {.origin = mem::Origin::Kernel});
    ++copied;
  });
  return copied;
}

void Tsb::report_init(mem::ReferenceSink& sink) const {
  sink.reference_run(base_, tsb::kEntryBytes, entries(), true, {.origin = mem::Origin::Kernel});
}

void Tsb::clear() {
  for (uint64_t i = 0; i < entries(); ++i)
    word(base_ + i * tsb::kEntryBytes) = tsb::Invalid::kMask;
}

// The tag has VA 63:22; below it the index has VA 21:13, or nothing.
void Tsb::for_each(const std::function<void(VirtAddr va, uint64_t tte)>& visit) const {
  constexpr uint64_t kBelowTag = tsb::kLeastEntries - 1;
  for (uint64_t i = 0; i < entries(); ++i) {
    const PhysAddr entry = base_ + i * tsb::kEntryBytes;
    const uint64_t tag = word(entry);
    if ((tag & kUnusable) != 0) continue;
    uint64_t va = tag << 22;
    if (page_ == kPage) va |= (i & kBelowTag) << kPage.log2();
    visit(VirtAddr(va), word(entry + 8));
  }
}

}  // namespace mmusim::sparc64
