#include "pt/hashed/store.h"

#include <algorithm>

namespace mmusim::pt::hashed {

int Rules::class_of(PageShift size) const {
  const auto at = std::find(sizes.begin(), sizes.end(), size);
  return at == sizes.end() ? -1 : static_cast<int>(at - sizes.begin());
}

std::shared_ptr<Store> Store::make(const Environment& environment, const Rules& rules, MmId owner) {
  const auto array = environment.allocator->allocate(environment.page.bytes(), owner);
  return array ? std::make_shared<Store>(environment, rules, *array) : nullptr;
}

Store::Store(const Environment& environment, const Rules& rules, PhysAddr buckets)
    : frames_(&environment.allocator->frames()),
      sink_(environment.sink),
      allocator_(environment.allocator),
      rules_(&rules),
      array_(buckets),
      heads_(frames_->words(buckets)),
      log2_(environment.page.log2() - 3) {}

Store::~Store() {
  take_apart([this] { allocator_->free(array_, bytes()); });
}

// Multiplication by 2^64 over the golden ratio (D. Knuth, TAOCP 3, 6.4); for the space, by another
// odd number, so that the same pages of several spaces are not neighbours.
uint64_t Store::bucket_of(const Tag& tag) const {
  const unsigned c = tag.size_class();
  const uint64_t number = (tag.word >> rules_->span(c).log2()) + c + tag.space * 0xc2b2ae3d27d4eb4f;
  return number * 0x9e3779b97f4a7c15 >> (64 - log2_);
}

void Store::touch(PhysAddr address, bool write, Level level) const {
  sink_->reference(address, kWord, write,
                   {.origin = mem::Origin::Kernel, .level = level, .dependent = false});
}

std::optional<Node> Store::find(const Tag& tag, WalkPath& path) const {
  const uint64_t bucket = bucket_of(tag);
  const unsigned c = tag.size_class();
  const HandlerCounts& costs = rules_->handler;
  const auto add = [&](PhysAddr address, Level level, bool dependent, Part part,
                       uint8_t instructions) {
    path.add({.address = address,
              .bytes = kWord,
              .level = level,
              .instructions = instructions,
              .dependent = dependent,
              .part = static_cast<uint8_t>(part_of(part, c))});
  };
  add(array_ + bucket * kWord, kBucketLevel, false, Part::Bucket, costs.bucket);
  for (uint64_t at = heads_[bucket]; at != 0;) {
    const Node node = node_at(PhysAddr(at));
    add(node.address, kNodeLevel, true, Part::Tag, 0);
    if (node.words[0] == tag.word) {
      if (!rules_->global) return node;
      // Not compiled: a load, a comparison.
      path.add(node_word(node.address + kWord, part_of(Part::Space, c), 3));
      if (node.words[1] == tag.space) return node;
    }
    path.add(node_word(node.next_at(), part_of(Part::Next, c), costs.node));
    at = node.next();
  }
  return std::nullopt;
}

void Store::link(const Node& node, const Tag& tag, MmId owner) {
  const uint64_t bucket = bucket_of(tag);
  touch(array_ + bucket * kWord, false, kBucketLevel);
  for (unsigned word = 0; word < node.header; ++word)
    touch(node.address + word * kWord, true, kNodeLevel);
  touch(array_ + bucket * kWord, true, kBucketLevel);
  node.words[0] = tag.word;
  if (rules_->global) node.words[1] = tag.space;
  node.next() = heads_[bucket];
  heads_[bucket] = node.address.value();
  ++nodes_;
  grow(owner);
}

void Store::unlink(const Node& node) {
  const uint64_t bucket = bucket_of(node.tag());
  uint64_t* from = &heads_[bucket];
  PhysAddr address = array_ + bucket * kWord;
  Level level = kBucketLevel;
  touch(address, false, level);
  while (*from != node.address.value()) {
    const Node passed = node_at(PhysAddr(*from));
    from = &passed.next();
    address = passed.next_at();
    level = kNodeLevel;
    touch(address, false, level);
  }
  touch(node.next_at(), false, kNodeLevel);
  touch(address, true, level);
  *from = node.next();
  --nodes_;
}

void Store::touch_all() const {
  for (uint64_t i = 0; i < buckets(); ++i) {
    touch(array_ + i * kWord, false, kBucketLevel);
    for (uint64_t at = heads_[i]; at != 0;) {
      const Node node = node_at(PhysAddr(at));
      for (unsigned word = 0; word < node.header; ++word)
        touch(node.address + word * kWord, false, kNodeLevel);
      at = node.next();
    }
  }
}

uint64_t Store::used_buckets() const {
  return static_cast<uint64_t>(
      std::count_if(heads_, heads_ + buckets(), [](uint64_t head) { return head != 0; }));
}

// Optional: without memory, or when the array is as large as a block can be, chains get longer.
void Store::grow(MmId owner) {
  if (nodes_ <= buckets()) return;
  if (bytes() * 2 > rules_->page().bytes() << mem::FrameMemory::kMaxOrder) return;
  const auto wider = allocator_->allocate(bytes() * 2, owner);
  if (!wider) return;
  const PhysAddr old = array_;
  const uint64_t* const old_heads = heads_;
  const uint64_t old_bytes = bytes();
  array_ = *wider;
  heads_ = frames_->words(*wider);
  ++log2_;
  for (uint64_t i = 0; i < buckets() / 2; ++i) {
    touch(old + i * kWord, false, kBucketLevel);
    for (uint64_t at = old_heads[i]; at != 0;) {
      const Node node = node_at(PhysAddr(at));
      const uint64_t bucket = bucket_of(node.tag());
      for (unsigned word = 0; word < node.header; ++word)
        touch(node.address + word * kWord, false, kNodeLevel);
      touch(array_ + bucket * kWord, false, kBucketLevel);
      touch(node.next_at(), true, kNodeLevel);
      touch(array_ + bucket * kWord, true, kBucketLevel);
      const uint64_t next = node.next();
      node.next() = heads_[bucket];
      heads_[bucket] = at;
      at = next;
      ++rehashed_;
    }
  }
  ++growths_;
  allocator_->free(old, old_bytes);
}

}  // namespace mmusim::pt::hashed
