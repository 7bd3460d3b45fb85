#include "pt/table_allocator.h"

#include <algorithm>
#include <bit>

#include "base/bits.h"
#include "base/error.h"

namespace mmusim::pt {

unsigned TableAllocator::order_of(uint64_t bytes) const {
  MMUSIM_ASSERT(is_power_of_two(bytes) && bytes >= frames_->page().bytes());
  const unsigned order = log2_floor(bytes) - frames_->page().log2();
  MMUSIM_ASSERT(order <= mem::FrameMemory::kMaxOrder);
  return order;
}

std::optional<PhysAddr> TableAllocator::allocate(uint64_t bytes, MmId owner) {
  if (bytes >= frames_->page().bytes()) {
    const auto block = set_aside(bytes, owner);
    if (block) frames_->give_contents(frames_->frame_of(*block));
    return block;
  }
  if (fail_after_ != 0 && --fail_after_ == 0) return std::nullopt;
  const auto piece = allocate_piece(bytes);
  if (piece) account(bytes);
  return piece;
}

std::optional<PhysAddr> TableAllocator::set_aside(uint64_t bytes, MmId owner) {
  if (fail_after_ != 0 && --fail_after_ == 0) return std::nullopt;
  const auto first = frames_->allocate_bare(order_of(bytes), use_, owner.value());
  if (!first) return std::nullopt;
  held_bytes_ += bytes;
  account(bytes);
  return frames_->address_of(*first);
}

void TableAllocator::account(uint64_t bytes, uint64_t allocations) {
  bytes_in_use_ += bytes * allocations;
  allocations_ += allocations;
}

std::optional<PhysAddr> TableAllocator::allocate_piece(uint64_t bytes) {
  MMUSIM_ASSERT(bytes != 0 && bytes % sizeof(uint64_t) == 0);
  Slab& slab = slabs_[bytes];
  if (spare_pieces(slab, bytes) == 0 && !add_frame(slab, bytes)) return std::nullopt;
  const Pfn pfn = *slab.partial.begin();
  SlabFrame& frame = slab_frames_.find(pfn)->second;
  if (frame.in_use == 0) {
    slab.empty.erase(pfn);
    if (!frame.has_contents) frames_->give_contents(pfn);
    frame.has_contents = true;
  }
  size_t word = 0;
  while (frame.taken[word] == ~uint64_t{0})
    ++word;
  const auto bit = static_cast<unsigned>(std::countr_one(frame.taken[word]));
  frame.taken[word] |= uint64_t{1} << bit;
  ++slab.in_use;
  if (++frame.in_use == pieces_of(bytes)) slab.partial.erase(slab.partial.begin());
  const PhysAddr address = frames_->address_of(pfn) + (word * 64 + bit) * bytes;
  uint64_t* words = frames_->words(address);
  std::fill(words, words + bytes / sizeof(uint64_t), 0);
  return address;
}

bool TableAllocator::add_frame(Slab& slab, uint64_t bytes) {
  const auto frame = frames_->allocate_bare(0, use_, 0);
  if (!frame) return false;
  slab_frames_[*frame] = {.piece = bytes,
                          .taken = std::vector<uint64_t>((pieces_of(bytes) + 63) / 64)};
  slab.partial.insert(*frame);
  slab.empty.insert(*frame);
  ++slab.frames;
  held_bytes_ += frames_->page().bytes();
  return true;
}

// Frames without a piece in use go, but for those that what is reserved may need.
void TableAllocator::drop_spare_frames(Slab& slab, uint64_t bytes) {
  while (!slab.empty.empty() && spare_pieces(slab, bytes) >= pieces_of(bytes)) {
    const Pfn pfn = *slab.empty.rbegin();
    slab.empty.erase(pfn);
    slab.partial.erase(pfn);
    --slab.frames;
    slab_frames_.erase(pfn);
    give_back(pfn, 0);
  }
}

bool TableAllocator::reserve_pieces(uint64_t bytes, uint64_t count) {
  if (fail_after_ != 0 && --fail_after_ == 0) return false;
  Slab& slab = slabs_[bytes];
  while (spare_pieces(slab, bytes) < count) {
    if (!add_frame(slab, bytes)) {
      drop_spare_frames(slab, bytes);
      return false;
    }
  }
  slab.reserved += count;
  account(bytes, count);
  return true;
}

void TableAllocator::unreserve_pieces(uint64_t bytes, uint64_t count) {
  Slab& slab = slabs_[bytes];
  MMUSIM_ASSERT(slab.reserved >= count);
  slab.reserved -= count;
  bytes_in_use_ -= bytes * count;
  drop_spare_frames(slab, bytes);
}

void TableAllocator::free(PhysAddr address, uint64_t bytes) {
  if (before_reuse_) before_reuse_(address, bytes);
  const Pfn pfn = frames_->frame_of(address);
  bool good = false;
  if (bytes < frames_->page().bytes()) {
    good = free_piece(address, bytes);
  } else if (frames_->in_use(pfn) && is_power_of_two(bytes) &&
             frames_->address_of(pfn) == address && slab_frames_.count(pfn) == 0) {
    const mem::Frame& frame = frames_->frame(pfn);
    const uint64_t block = frames_->page().bytes() << frame.order;
    good = frame.use == use_ && block == bytes && address.value() % bytes == 0;
    if (good) give_back(pfn, frame.order);
  }
  if (good) {
    bytes_in_use_ -= bytes;
  } else if (misuse_.empty()) {
    misuse_ = fmt::format(
        "{} bytes of table memory at {:#x} were freed that were not allocated, "
        "or freed before, or of another size",
        bytes, address.value());
  }
}

bool TableAllocator::free_piece(PhysAddr address, uint64_t bytes) {
  const Pfn pfn = frames_->frame_of(address);
  const auto found = slab_frames_.find(pfn);
  if (found == slab_frames_.end() || found->second.piece != bytes) return false;
  SlabFrame& frame = found->second;
  const uint64_t offset = address - frames_->address_of(pfn);
  const uint64_t piece = offset / bytes;
  uint64_t& word = frame.taken[piece / 64];
  const uint64_t bit = uint64_t{1} << (piece % 64);
  if (offset % bytes != 0 || (word & bit) == 0) return false;
  word &= ~bit;
  Slab& slab = slabs_[bytes];
  --slab.in_use;
  slab.partial.insert(pfn);
  if (--frame.in_use == 0) {
    slab.empty.insert(pfn);
    drop_spare_frames(slab, bytes);
  }
  return true;
}

void TableAllocator::give_back(Pfn first, unsigned order) {
  const uint64_t bytes = frames_->page().bytes() << order;
  if (before_free_) before_free_(frames_->address_of(first), bytes);
  held_bytes_ -= bytes;
  frames_->free(first, order);
}

std::vector<TableAllocator::Use> TableAllocator::uses() const {
  std::vector<Use> all;
  for (const auto& [bytes, slab] : slabs_)
    if (slab.frames != 0)
      all.push_back({.bytes = bytes,
                     .in_use = slab.in_use + slab.reserved,
                     .capacity = slab.frames * pieces_of(bytes)});
  return all;
}

}  // namespace mmusim::pt
