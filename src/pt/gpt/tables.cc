#include "pt/gpt/tables.h"

#include "base/error.h"

namespace mmusim::pt::gpt {

Tables::Tables(const Environment& environment, const Policy& policy, Commons& commons, MmId mm)
    : frames_(&environment.allocator->frames()),
      sink_(environment.sink),
      allocator_(environment.allocator),
      policy_(&policy),
      commons_(&commons),
      mm_(mm),
      other_cpus_(environment.cpus > 1) {}

void Tables::account(Shape shape, bool shared, bool added) {
  const uint64_t bytes = shape.bytes();
  (shared ? commons_->bytes : bytes_) += added ? bytes : -bytes;
  if (!shared) tables_[shape.index()] += added ? 1 : -uint64_t{1};
}

std::optional<Table> Tables::allocate(Shape shape, bool shared) {
  const auto address = allocator_->allocate(shape.bytes(), mm_);
  if (!address) return std::nullopt;
  account(shape, shared, true);
  return at(*address);
}

void Tables::discard(const Table& table, Shape shape, bool shared) {
  account(shape, shared, false);
  allocator_->free(table.address, shape.bytes());
}

void Tables::retire(const GuardedEntry& e, bool shared, bool rebuilt) {
  const Table table = below(e);
  const Shape shape = shape_of(e);
  const uint64_t count = uint64_t{1} << shape.log2;
  if (rebuilt && overtaken() && shape.array) {
    std::fill_n(table.words, count, kNone);
    touch_words(table.address, count, true);
  } else if (rebuilt && overtaken()) {
    for (uint64_t i = 0; i < count; ++i)
      table.set(i, GuardedEntry::moved());
    touch_slots(table, 0, count, true, 0);
  }
  account(shape, shared, false);
  release(table.address, shape.bytes());
}

void Tables::release(PhysAddr address, uint64_t bytes) {
  const RemovedTable removed{.allocator = allocator_, .address = address, .bytes = bytes};
  if (gather_ != nullptr) {
    gather_->table({touched_, touched_ + frames_->page().bytes()}, frames_->page(), removed);
  } else if (commons_->open_walks != 0) {
    commons_->retired.push_back(removed);
  } else {
    allocator_->free(address, bytes);
  }
}

void Tables::close_walk() {
  if (--commons_->open_walks != 0) return;
  for (const RemovedTable& table : commons_->retired)
    table.allocator->free(table.address, table.bytes);
  commons_->retired.clear();
}

std::optional<PhysAddr> Tables::allocate_piece(uint64_t bytes) {
  const auto piece = allocator_->allocate(bytes, mm_);
  if (piece) commons_->bytes += bytes;
  return piece;
}

void Tables::free_piece(PhysAddr piece, uint64_t bytes) {
  commons_->bytes -= bytes;
  at(piece).set(0, GuardedEntry::moved());
  release(piece, bytes);
}

void Tables::change_account(const GuardedEntry& e, bool shared) {
  account(shape_of(e), !shared, false);
  account(shape_of(e), shared, true);
}

Weight Tables::weigh(const Table& table, unsigned width, unsigned consumed) const {
  Weight sum;
  for (uint64_t i = 0; i < uint64_t{1} << width; ++i)
    sum += weigh(table.get(i), width, consumed);
  return sum;
}

void Tables::write_counts(const Place& place, Weight weight) const {
  GuardedEntry e = place.load();
  e.count(weight.valid, weight.full);
  if (place.load().body == e.body) return;
  place.words[1] = e.body;
  if (place.copy != nullptr) *place.copy = e;
  touch(place, sizeof(uint64_t), true);
}

void Tables::add_stats(Stats& stats) const {
  stats.table_bytes = bytes_;
  stats.tables.assign(tables_.begin(), tables_.end());
  stats.restructures = restructures_;
  stats.entries_rewritten = entries_rewritten_;
}

}  // namespace mmusim::pt::gpt
