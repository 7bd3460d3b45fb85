#include "tests/differential/naive_mmu.h"

#include <algorithm>

namespace mmusim::naive {

namespace {

constexpr unsigned kSizes[] = {12, 21, 22, 30};  // log2 of all page sizes there are

class Lru : public Order {
 public:
  explicit Lru(unsigned ways) {
    for (unsigned way = 0; way < ways; ++way)
      order_.push_back(way);
  }
  void used(unsigned way) override {
    order_.remove(way);
    order_.push_front(way);
  }
  void filled(unsigned way) override { used(way); }
  unsigned victim() override { return order_.back(); }
  void close(unsigned ways) override { order_.remove(ways - 1); }

 private:
  std::list<unsigned> order_;
};

class Fifo : public Order {
 public:
  void used(unsigned) override {}
  void filled(unsigned way) override {
    order_.remove(way);
    order_.push_back(way);
  }
  unsigned victim() override { return order_.front(); }
  void close(unsigned ways) override { order_.remove(ways - 1); }

 private:
  std::list<unsigned> order_;
};

// A real tree of pointers. A node over n ways splits them into the first ceil(n/2) and the others.
class Tree : public Order {
 public:
  explicit Tree(unsigned ways) : root_(build(0, ways)) {}
  void used(unsigned way) override {
    for (Node* node = root_.get(); node->count > 1;) {
      const bool upper = way >= node->upper->first;
      node->points_up = !upper;
      node = upper ? node->upper.get() : node->lower.get();
    }
  }
  void filled(unsigned way) override { used(way); }
  unsigned victim() override {
    Node* node = root_.get();
    while (node->count > 1)
      node = node->points_up ? node->upper.get() : node->lower.get();
    return node->first;
  }
  // Before any use.
  void close(unsigned ways) override { root_ = build(0, ways - 1); }

 private:
  struct Node {
    unsigned first = 0, count = 0;
    bool points_up = false;
    std::unique_ptr<Node> lower, upper;
  };
  static std::unique_ptr<Node> build(unsigned first, unsigned count) {
    auto node = std::make_unique<Node>();
    node->first = first;
    node->count = count;
    if (count > 1) {
      node->lower = build(first, (count + 1) / 2);
      node->upper = build(first + (count + 1) / 2, count / 2);
    }
    return node;
  }
  std::unique_ptr<Node> root_;
};

// A bit for each way.
class UsedBits : public Order {
 public:
  explicit UsedBits(unsigned ways) : used_(ways, false) {}
  void used(unsigned way) override { used_[way] = true; }
  void filled(unsigned way) override { used(way); }
  unsigned victim() override {
    for (unsigned round = 0; round < 2; ++round) {
      for (unsigned way = 0; way < used_.size(); ++way)
        if (!used_[way]) return way;
      used_.assign(used_.size(), false);
    }
    return 0;
  }
  void close(unsigned ways) override { used_.resize(ways - 1); }

 private:
  std::vector<bool> used_;
};

// One generator per array, SplitMix64; the high half of its 64 bits times the ways is the way.
class Dice : public Order {
 public:
  Dice(unsigned ways, std::shared_ptr<uint64_t> state) : ways_(ways), state_(std::move(state)) {}
  void used(unsigned) override {}
  void filled(unsigned) override {}
  unsigned victim() override {
    *state_ += 0x9e3779b97f4a7c15;
    uint64_t x = *state_;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    x ^= x >> 31;
    // floor(x * ways / 2^64), by halves
    const uint64_t low = (x & 0xffffffff) * ways_;
    return static_cast<unsigned>(((x >> 32) * ways_ + (low >> 32)) >> 32);
  }
  void close(unsigned ways) override { ways_ = ways - 1; }

 private:
  unsigned ways_;
  std::shared_ptr<uint64_t> state_;
};

}  // namespace

Array::Array(const ArrayShape& shape)
    : sets(shape.entries / shape.ways, std::vector<Entry>(shape.ways)),
      shape_(shape),
      random_state_(std::make_shared<uint64_t>(shape.seed)) {
  for (size_t set = 0; set < sets.size(); ++set) {
    if (shape.policy == "lru") orders_.push_back(std::make_unique<Lru>(shape.ways));
    if (shape.policy == "plru") orders_.push_back(std::make_unique<Tree>(shape.ways));
    if (shape.policy == "fifo") orders_.push_back(std::make_unique<Fifo>());
    if (shape.policy == "used") orders_.push_back(std::make_unique<UsedBits>(shape.ways));
    if (shape.policy == "random")
      orders_.push_back(std::make_unique<Dice>(shape.ways, random_state_));
  }
}

bool Array::holds(unsigned size) const {
  return std::count(shape_.sizes.begin(), shape_.sizes.end(), size) != 0;
}

size_t Array::set_of(uint64_t page) const {
  const size_t low = page % sets.size();
  return shape_.xored ? low ^ (page / sets.size() % sets.size()) : low;
}

std::pair<size_t, size_t> Array::locate(uint64_t va, unsigned pcid) const {
  for (const unsigned size : shape_.sizes)
    for (const bool global : {false, true}) {
      const size_t set = set_of(va >> size);
      for (size_t way = 0; way < sets[set].size(); ++way) {
        const Entry& entry = sets[set][way];
        if (entry.valid && entry.size == size && entry.base == floor_to(va, size) &&
            entry.global == global && (global || entry.pcid == pcid))
          return {set, way};
      }
    }
  return {sets.size(), 0};
}

Entry* Array::find(uint64_t va, unsigned pcid) {
  const auto [set, way] = locate(va, pcid);
  if (set == sets.size()) return nullptr;
  orders_[set]->used(static_cast<unsigned>(way));
  return &sets[set][way];
}

Entry* Array::peek(uint64_t va, unsigned pcid) {
  const auto [set, way] = locate(va, pcid);
  return set == sets.size() ? nullptr : &sets[set][way];
}

void Array::fill(const Entry& entry) {
  const size_t set = set_of(entry.base >> entry.size);
  size_t way = 0;
  while (way < sets[set].size() && sets[set][way].valid)
    ++way;
  if (way == sets[set].size()) way = orders_[set]->victim();
  sets[set][way] = entry;
  orders_[set]->filled(static_cast<unsigned>(way));
}

void Array::close(unsigned ways) {
  for (size_t set = 0; set < sets.size(); ++set)
    for (unsigned i = 0; i < ways; ++i) {
      orders_[set]->close(static_cast<unsigned>(sets[set].size()));
      sets[set].pop_back();
    }
}

Mmu::Mmu(const MmuShape& shape) : shape_(shape), walk_caches_(5) {
  for (const ArrayShape& array : shape.l1i)
    l1i_.emplace_back(array);
  for (const ArrayShape& array : shape.l1d)
    l1d_.emplace_back(array);
  for (const ArrayShape& array : shape.l2)
    l2_.emplace_back(array);
  for (const ArrayShape& array : shape.l2i)
    l2i_.emplace_back(array);
}

void Mmu::load(Table* table, unsigned pcid) {
  table_ = table;
  pcid_ = pcid;
}

Entry* Mmu::find(Level& level, uint64_t va, unsigned pcid) {
  for (Array& array : level)
    if (array.peek(va, pcid) != nullptr) return array.find(va, pcid);
  return nullptr;
}

Entry* Mmu::peek(Level& level, uint64_t va, unsigned pcid) {
  for (Array& array : level)
    if (Entry* entry = array.peek(va, pcid)) return entry;
  return nullptr;
}

// Into the largest page size held that is not larger than the leaf.
void Mmu::fill(Level& level, uint64_t va, const Page& leaf) {
  for (const unsigned size : {30u, 22u, 21u, 12u}) {
    if (size > leaf.size) continue;
    for (Array& array : level) {
      if (!array.holds(size)) continue;
      Entry entry;
      entry.valid = true;
      entry.base = floor_to(va, size);
      entry.size = size;
      entry.leaf = leaf.size;
      entry.pcid = pcid_;
      entry.global = leaf.global;
      entry.write = leaf.write;
      entry.execute = leaf.execute;
      entry.dirty = leaf.dirty;
      entry.pfn = leaf.pfn + (entry.base - floor_to(va, leaf.size)) / 4096;
      array.fill(entry);
      return;
    }
  }
}

Page Mmu::leaf_of(const Entry& entry, uint64_t va) {
  Page leaf;
  leaf.size = entry.leaf;
  leaf.pfn = entry.pfn - (entry.base - floor_to(va, entry.leaf)) / 4096;
  leaf.write = entry.write;
  leaf.execute = entry.execute;
  leaf.global = entry.global;
  leaf.dirty = entry.dirty;
  return leaf;
}

bool Mmu::walk(uint64_t va, char kind, Outcome& outcome, Page& leaf) {
  Page* page = nullptr;
  for (const unsigned size : kSizes) {
    const auto found = table_->find(floor_to(va, size));
    if (found != table_->end() && found->second.size == size) page = &found->second;
  }
  // All tables exist down to the lowest level that a hole needs: the test sees to that.
  const unsigned leaf_level = page == nullptr ? 0 : (page->size - 12) / shape_.index_bits;
  unsigned first = shape_.levels - 1;
  for (unsigned level = 1; level < shape_.levels; ++level) {
    auto& cache = walk_caches_[level];
    const std::pair<uint64_t, unsigned> key{va >> (12 + shape_.index_bits * level), pcid_};
    if (std::find(cache.begin(), cache.end(), key) == cache.end()) continue;
    cache.remove(key);
    cache.push_front(key);
    first = level - 1;
    break;
  }
  outcome.walk_loads = first - leaf_level + 1;
  if (page == nullptr) {
    outcome.fault = 'n';
    return false;
  }
  if ((kind == 's' && !page->write) || (kind == 'f' && !page->execute)) {
    outcome.fault = 'p';
    return false;
  }
  page->accessed = true;
  if (kind == 's') page->dirty = true;
  for (unsigned level = first; level > leaf_level; --level) {
    auto& cache = walk_caches_[level];
    cache.emplace_front(va >> (12 + shape_.index_bits * level), pcid_);
    if (cache.size() > shape_.walk_cache[level]) cache.pop_back();
  }
  leaf = *page;
  return true;
}

Outcome& Mmu::fault(uint64_t va, char reason, Outcome& outcome) {
  outcome.fault = reason;
  remove_page(va);
  for (unsigned level = 1; level < 5; ++level)
    walk_caches_[level].remove({va >> (12 + shape_.index_bits * level), pcid_});
  return outcome;
}

void Mmu::assist(Level& first, Level& second, uint64_t va, const Entry& before, Outcome& outcome) {
  const Page known = leaf_of(before, va);
  Page leaf;
  if (!walk(va, 's', outcome, leaf)) {
    fault(va, outcome.fault, outcome);
    return;
  }
  if (known.size == leaf.size && known.pfn == leaf.pfn && known.write == leaf.write &&
      known.execute == leaf.execute && known.global == leaf.global) {
    for (Level* level : {&first, &second})
      if (Entry* entry = peek(*level, va, pcid_)) entry->dirty = true;
  } else {
    remove_page(va);
    for (unsigned level = 1; level < 5; ++level)
      walk_caches_[level].remove({va >> (12 + shape_.index_bits * level), pcid_});
    fill(second, va, leaf);
  }
  if (peek(first, va, pcid_) == nullptr) fill(first, va, leaf);
  outcome.pfn = leaf.pfn + (va - floor_to(va, leaf.size)) / 4096;
}

Outcome Mmu::access(uint64_t va, char kind) {
  Level& first = kind == 'f' ? l1i_ : l1d_;
  Level& second = kind != 'f' ? l2_ : !l2i_.empty() ? l2i_ : shape_.l2_fetches ? l2_ : none_;
  Outcome outcome;
  outcome.served = '1';
  Entry* entry = find(first, va, pcid_);
  if (entry == nullptr) {
    outcome.served = '2';
    entry = find(second, va, pcid_);
  }
  if (entry == nullptr) {
    outcome.served = 'w';
    Page leaf;
    if (!walk(va, kind, outcome, leaf)) return fault(va, outcome.fault, outcome);
    fill(second, va, leaf);
    fill(first, va, leaf);
    outcome.pfn = leaf.pfn + (va - floor_to(va, leaf.size)) / 4096;
    return outcome;
  }
  if ((kind == 's' && !entry->write) || (kind == 'f' && !entry->execute))
    return fault(va, 'p', outcome);
  if (kind == 's' && !entry->dirty) {
    const Entry before = *entry;
    assist(first, second, va, before, outcome);
    return outcome;
  }
  outcome.pfn = entry->pfn + (va - entry->base) / 4096;
  if (outcome.served == '2') fill(first, va, leaf_of(*entry, va));
  return outcome;
}

template <class Match>
void Mmu::remove(Match match) {
  for (Level* level : {&l1i_, &l1d_, &l2_, &l2i_})
    for (Array& array : *level)
      for (auto& set : array.sets)
        for (Entry& entry : set)
          if (entry.valid && match(entry)) entry.valid = false;
}

void Mmu::remove_page(uint64_t va) {
  remove([&](const Entry& entry) {
    return (entry.global || entry.pcid == pcid_) &&
           floor_to(entry.base, entry.leaf) == floor_to(va, entry.leaf);
  });
}

void Mmu::invlpg(uint64_t va) {
  remove_page(va);
  for (auto& cache : walk_caches_)
    cache.remove_if([&](const auto& key) { return key.second == pcid_; });
}

void Mmu::invalidate_pcid(unsigned pcid) {
  remove([&](const Entry& entry) { return !entry.global && entry.pcid == pcid; });
  for (auto& cache : walk_caches_)
    cache.remove_if([&](const auto& key) { return key.second == pcid; });
}

void Mmu::invalidate_non_global() {
  remove([](const Entry& entry) { return !entry.global; });
  for (auto& cache : walk_caches_)
    cache.clear();
}

void Mmu::invalidate_all() {
  remove([](const Entry&) { return true; });
  for (auto& cache : walk_caches_)
    cache.clear();
}

std::vector<Mmu::Content> Mmu::contents() const {
  std::vector<Content> all;
  const auto add = [&all](const char* name, const Level& level) {
    for (const Array& array : level)
      for (const auto& set : array.sets)
        for (const Entry& entry : set)
          if (entry.valid)
            all.emplace_back(
                name, entry.base, entry.size, entry.global ? -1 : static_cast<int>(entry.pcid),
                entry.pfn,
                (entry.write ? 1u : 0u) | (entry.execute ? 2u : 0u) | (entry.dirty ? 4u : 0u));
  };
  add("l1i", l1i_);
  add("l1d", l1d_);
  add("l2", l2_);
  add("l2i", l2i_);
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace mmusim::naive
