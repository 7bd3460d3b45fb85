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

void Tables::account(uint64_t bytes, unsigned index, bool shared, bool added) {
  (shared ? commons_->bytes : bytes_) += added ? bytes : -bytes;
  if (!shared) tables_[index] += added ? 1 : -uint64_t{1};
}

std::optional<Table> Tables::allocate(unsigned width, bool shared) {
  const auto address = allocator_->allocate(bytes_of(width), mm_);
  if (!address) return std::nullopt;
  account(bytes_of(width), width, shared, true);
  return at(*address);
}

std::optional<Table> Tables::allocate_array(unsigned pages, bool shared) {
  const auto address = allocator_->allocate(bytes_of_array(pages), mm_);
  if (!address) return std::nullopt;
  account(bytes_of_array(pages), kArrays + pages, shared, true);
  return at(*address);
}

void Tables::discard(const Table& table, unsigned width, bool shared) {
  account(bytes_of(width), width, shared, false);
  allocator_->free(table.address, bytes_of(width));
}

void Tables::discard_array(const Table& array, unsigned pages, bool shared) {
  account(bytes_of_array(pages), kArrays + pages, shared, false);
  allocator_->free(array.address, bytes_of_array(pages));
}

void Tables::retire(const Table& table, unsigned width, bool shared, bool rebuilt) {
  if (rebuilt && overtaken()) {
    const uint64_t slots = bytes_of(width) / kEntryBytes;
    for (uint64_t i = 0; i < slots; ++i)
      table.set(i, GuardedEntry::moved());
    touch_slots(table, 0, slots, true, 0);
  }
  account(bytes_of(width), width, shared, false);
  release(table.address, bytes_of(width));
}

void Tables::retire_array(const Table& array, unsigned pages, bool shared, bool rebuilt) {
  if (rebuilt && overtaken()) {
    const uint64_t count = uint64_t{1} << pages;
    std::fill_n(array.words, count, kNone);
    touch_words(array.address, count, true);
  }
  account(bytes_of_array(pages), kArrays + pages, shared, false);
  release(array.address, bytes_of_array(pages));
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
  const bool array = e.is(Kind::Array);
  const uint64_t bytes = array ? bytes_of_array(pages_log2(e)) : bytes_of(e.room_log2());
  const unsigned index = array ? kArrays + pages_log2(e) : e.room_log2();
  account(bytes, index, !shared, false);
  account(bytes, index, shared, true);
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
