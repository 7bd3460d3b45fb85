#include "kernel/frame_counts.h"

#include "base/error.h"

namespace mmusim::kernel {

namespace {

Pfn first_of(Pfn pfn, unsigned order) {
  return Pfn(pfn.value() & ~((uint64_t{1} << order) - 1));
}

}  // namespace

const FrameCounts::Block* FrameCounts::find_around(Pfn pfn) const {
  for (unsigned order = 1; order < of_order_.size(); ++order) {
    if (of_order_[order] == 0) continue;
    const auto found = blocks_.find(first_of(pfn, order));
    if (found != blocks_.end() && found->second.order == order) return &found->second;
  }
  return nullptr;
}

FrameCounts::Block* FrameCounts::of(Pfn first, unsigned order) {
  const auto found = blocks_.find(first);
  return found != blocks_.end() && found->second.order == order ? &found->second : nullptr;
}

bool FrameCounts::any_in(Pfn first, unsigned order) const {
  if (around(first) != nullptr) return true;
  for (unsigned part = 1; part < order; ++part) {
    if (of_order_[part] == 0) continue;
    for (uint64_t i = 0; i < uint64_t{1} << order; i += uint64_t{1} << part)
      if (around(first + i) != nullptr) return true;
  }
  return false;
}

FrameCounts::Block& FrameCounts::make(Pfn first, unsigned order) {
  const auto [made, is_new] = blocks_.emplace(first, Block{.order = order});
  MMUSIM_ASSERT(is_new);
  ++of_order_[order];
  return made->second;
}

void FrameCounts::end_if_unused(Pfn first, const Block& block) {
  if (block.leaves != 0 || block.references != 0) return;
  for (mem::Frame& frame : frames_->block(first, block.order))
    frame.exclusive = block.exclusive;
  --of_order_[block.order];
  blocks_.erase(first);
}

void FrameCounts::add_singly(Pfn first, unsigned order) {
  for (mem::Frame& frame : frames_->block(first, order)) {
    ++frame.mappings;
    ++frame.references;
  }
}

void FrameCounts::start(Pfn first, unsigned order) {
  frames_->frame(first).references = 0;  // as allocated
  Block& block = make(first, order);
  block.leaves = 1;
  block.references = 1;
  block.exclusive = true;
}

void FrameCounts::map(Pfn first, unsigned order) {
  Block* block = of(first, order);
  if (block == nullptr) {
    for (mem::Frame& frame : frames_->block(first, order))
      frame.exclusive = false;
    if (any_in(first, order)) return add_singly(first, order);
    block = &make(first, order);
  }
  ++block->leaves;
  ++block->references;
  block->exclusive = false;
}

void FrameCounts::unmap(Pfn first, unsigned order) {
  Block* block = of(first, order);
  if (block != nullptr && block->leaves != 0) {
    --block->leaves;
    return end_if_unused(first, *block);
  }
  for (mem::Frame& frame : frames_->block(first, order))
    --frame.mappings;
}

bool FrameCounts::drop(Pfn first, unsigned order) {
  Block* block = of(first, order);
  if (block != nullptr && block->references != 0) {
    if (--block->references != 0) return false;
    end_if_unused(first, *block);
    return true;
  }
  for (mem::Frame& frame : frames_->block(first, order))
    --frame.references;
  return true;
}

void FrameCounts::divide(Pfn first, unsigned order) {
  Block* block = of(first, order);
  if (block == nullptr) return;  // counted singly as it is
  const uint32_t leaf = block->leaves != 0 ? 1 : 0;
  const uint32_t reference = block->references != 0 ? 1 : 0;
  block->leaves -= leaf;
  block->references -= reference;
  for (mem::Frame& frame : frames_->block(first, order)) {
    frame.mappings += leaf;
    frame.references += reference;
  }
  end_if_unused(first, *block);
}

void FrameCounts::join(Pfn first, unsigned order) {
  const uint64_t count = uint64_t{1} << order;
  for (uint64_t i = 0; i < count; ++i) {
    const mem::Frame& frame = frames_->frame(first + i);
    if (frame.mappings != 0 && frame.references != 0) continue;
    const unsigned part = find_around(first + i)->order;
    divide(first_of(first + i, part), part);
  }
  const bool exclusive = is_exclusive(first);
  for (mem::Frame& frame : frames_->block(first, order)) {
    --frame.mappings;
    --frame.references;
  }
  map(first, order);
  if (!exclusive) return;
  if (Block* block = of(first, order)) {
    block->exclusive = true;
    return;
  }
  for (mem::Frame& frame : frames_->block(first, order))
    frame.exclusive = true;
}

bool FrameCounts::claim(Pfn first, unsigned order) {
  const uint64_t count = uint64_t{1} << order;
  for (uint64_t i = 0; i < count; ++i)
    if (references(first + i) != 1) return false;
  if (Block* block = of(first, order)) {
    block->exclusive = true;
    return true;
  }
  for (mem::Frame& frame : frames_->block(first, order))
    frame.exclusive = true;
  return true;
}

}  // namespace mmusim::kernel
