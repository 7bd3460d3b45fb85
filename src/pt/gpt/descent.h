// Looking up: from where a walk begins, one load after the other, to where it ends.
//
// A descent changes nothing and reports nothing; who makes one says what each of its loads is for.
#ifndef MMUSIM_PT_GPT_DESCENT_H_
#define MMUSIM_PT_GPT_DESCENT_H_

#include <algorithm>
#include <cstdint>

#include "base/types.h"
#include "pt/gpt/entry.h"
#include "pt/gpt/rules.h"
#include "pt/gpt/tables.h"
#include "pt/gpt/top.h"

namespace mmusim::pt::gpt {

// Where the word of a leaf is: what a handle's `place` says.
struct LeafWord {
  PhysAddr address;
  unsigned replicas_log2 = 0;  // so many slots hold it
  uint8_t level = 0;

  [[nodiscard]] uint64_t packed() const {
    return address.value() | uint64_t{replicas_log2} << 48 | uint64_t{level} << 56;
  }
  static LeafWord unpacked(uint64_t packed) {
    return {.address = PhysAddr(packed & ((uint64_t{1} << 48) - 1)),
            .replicas_log2 = static_cast<unsigned>(packed >> 48 & 0xff),
            .level = static_cast<uint8_t>(packed >> 56)};
  }
};

// One load of a descent.
struct Load {
  PhysAddr address{};
  unsigned bytes = kEntryBytes;
  uint8_t level = 0;
  bool dependent = true;
  PhysAddr table{};               // that it is in
  unsigned serves = 0;            // log2 of the bytes that come to this table
  unsigned tested = 1;            // entries: of a line up to the one that agrees, or all its room
  bool none = false;              // a line of which none agrees
  Kind led_here = Kind::Invalid;  // what the entry before was
  uint64_t local = 0;             // the address, as prefixes here have it
};
// Where a descent ended.
struct Found {
  Place place;              // of the entry
  GuardedEntry entry;       // Leaf or Array if the address is in one, else Invalid
  unsigned empty_log2 = 0;  // if not, or if it is empty: of the aligned void around the address
  Rights mask = Rights::all();
  unsigned tree_log2 = 0;  // of what the last shared sub-tree on the way serves; 0: none
  // log2 of the block that comes to the slot of the top where the walk began.
  unsigned begun_in = kKeyBits;

  [[nodiscard]] bool is_leaf() const { return entry.is(Kind::Leaf) || entry.is(Kind::Array); }
};
class Descent {
 public:
  // All must outlive it.
  Descent(const Rules& rules, const Tables& tables, const Top& top, const Place& root)
      : rules_(&rules), tables_(&tables), top_(&top), root_(&root) {}

  // Goes on from found.entry, just loaded from found.place. The next load, or nothing: it was the
  // last. The load of an array's word is the last, too: found stays at the array's entry.
  bool go_on(uint64_t key, Found& found, Load& load) const;
  // From the root, as the kernel does while it changes something.
  [[nodiscard]] Found of_kernel(uint64_t key) const;
  // Where a miss handler's walk begins: at a slot of the top; of the root's table, whose prefix
  // that of any entry in it has; or at the root, which is no load if it is at hand.
  [[nodiscard]] Load begin(uint64_t key, Found& found) const;
  // From there to the end; note(load) for each load.
  template <class Note>
  Found look_up(uint64_t key, Note note) const;

 private:
  // Mask and place of the index are in the word the handler has at hand.
  static constexpr unsigned kMostAtHand = 11;

  // Hardware's later walks of a block of 2^log2 bytes at a table that serves it: not with tops,
  // which come to lead past tables that walks went through.
  [[nodiscard]] unsigned begins_at(unsigned log2) const {
    return rules_->policy.most_top() != 0 ? 0 : log2;
  }

  const Rules* rules_;
  const Tables* tables_;
  const Top* top_;
  const Place* root_;
};

inline bool Descent::go_on(uint64_t key, Found& found, Load& load) const {
  const GuardedEntry e = found.entry;
  Place& place = found.place;
  load = {.dependent = !place.at_hand(),
          .table = e.address(),
          .led_here = e.kind(),
          .local = place.local(key)};
  if (e.is(Kind::Invalid)) {
    found.empty_log2 = kKeyBits - place.consumed;
    return false;
  }
  const uint64_t local = place.local(key);
  const unsigned common = e.common_with(local);
  if (common < e.length()) {
    // In the top other slots may have what is beside it.
    found.empty_log2 = std::min(kKeyBits - common - 1, found.begun_in);
    found.entry = {};
    return false;
  }
  load.serves = begins_at(kKeyBits - e.length());
  if (e.is_line()) {
    const Tables::Searched searched = tables_->search(e, local, kKeyBits);
    load.address = e.address();
    const bool in_top = top_->has(load.address);
    load.none = !searched.entry;
    load.tested = load.none ? e.room() : searched.looked_at;
    load.bytes = static_cast<unsigned>(load.tested * kEntryBytes);
    load.level = in_top ? root_->level : tables_->level_of_line(e);
    if (searched.entry) {
      place = tables_->entry_of_line(place, e, *searched.entry);
      if (!in_top) load.level = tables_->level_of(place, place.load());
    } else {
      found.empty_log2 = std::min(kKeyBits - searched.common - 1, found.begun_in);
      found.entry = {};
    }
    return true;
  }
  switch (e.kind()) {
    case Kind::Internal:
      place = tables_->slot_of(place, e, key);
      break;
    case Kind::Shared:
      found.mask = Rights(found.mask.bits() & e.mask().bits());
      found.tree_log2 = kKeyBits - e.length();
      place = tables_->shared_root_of(place, e);
      load.local = place.local(key);
      load.bytes = kSharedRootRead;
      break;
    case Kind::Leaf:
      found.empty_log2 = kKeyBits - e.length();
      return false;
    default:  // an array, whose word is the last load
      load.address = tables_->below(e).word_at(tables_->page_in_array(key, e));
      load.bytes = sizeof(Entry);
      load.level = 0;
      found.empty_log2 = kKeyBits - rules_->policy.key_end;
      return true;
  }
  load.address = place.address;
  load.level = tables_->level_of(place, place.load());
  return true;
}

inline Load Descent::begin(uint64_t key, Found& found) const {
  const GuardedEntry root = root_->load();
  Load load{.dependent = false, .local = key};
  if (top_->exists()) {
    found.place = top_->slot_of(key);
    found.begun_in = top_->granule();
    load.table = top_->table().address;
    load.level = found.place.level;
  } else if (rules_->policy.has_lines() && root.is_table() && root.width() > 1 &&
             root.width() <= kMostAtHand) {
    found.place = tables_->slot_of(*root_, root, key);
    load.table = root.address();
    load.serves = begins_at(kKeyBits - root.length());
    load.level = tables_->level_of(found.place, found.place.load());
  } else {
    found.place = *root_;
    load.level = tables_->level_of(*root_, root);
  }
  load.address = found.place.address;
  return load;
}

template <class Note>
Found Descent::look_up(uint64_t key, Note note) const {
  Found found;
  Load load = begin(key, found);
  if (!found.place.at_hand()) note(load);
  found.entry = found.place.load();
  while (go_on(key, found, load)) {
    note(load);
    if (!found.entry.is(Kind::Internal) && !found.entry.is(Kind::Shared)) break;
    found.entry = found.place.load();
  }
  return found;
}

inline Found Descent::of_kernel(uint64_t key) const {
  Found found;
  Load load;
  found.place = *root_;
  found.entry = root_->load();
  while (go_on(key, found, load) &&
         (found.entry.is(Kind::Internal) || found.entry.is(Kind::Shared)))
    found.entry = found.place.load();
  return found;
}

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_DESCENT_H_
