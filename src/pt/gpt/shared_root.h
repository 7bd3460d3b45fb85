// A shared root in simulated memory, where the entries of all users of a shared sub-tree lead to:
// 64 bytes,
//   words 0, 1  an ordinary entry, for the bits below the sharing point
//   word  2     home: what the prefixes below here begin with. A walk that comes through a user's
//               entry goes on with these bits in place of the address's own
//   word  3     31:0 users, 39:32 bits below the sharing point
//   word  4     address of the first user record
//   words 5-7   0
// and the list of those who use it. A user record: address space, or bit 63 and the address of the
// shared root this one hangs in; base address; address of the next record; 0.
#ifndef MMUSIM_PT_GPT_SHARED_ROOT_H_
#define MMUSIM_PT_GPT_SHARED_ROOT_H_

#include <cstdint>
#include <optional>

#include "base/bits.h"
#include "base/error.h"
#include "pt/gpt/tables.h"

namespace mmusim::pt::gpt {

// Who uses a shared sub-tree: an address space, or another shared sub-tree that contains it.
using Owner = uint64_t;
inline constexpr Owner kNested = Owner{1} << 63;

class SharedRoot {
 public:
  static constexpr uint64_t kBytes = 64;
  static constexpr uint64_t kRecordBytes = 32;
  static constexpr unsigned kUsersWord = 3;
  static constexpr unsigned kFirstRecord = 4;
  using Users = BitField<0, 32>;
  using Below = BitField<32, 8>;

  SharedRoot(Tables& tables, PhysAddr address)
      : tables_(&tables), address_(address), words_(tables.words(address)) {}

  // `below`: bits of the key below the sharing point; `home`: what prefixes there begin with.
  // Nothing: no memory.
  static std::optional<SharedRoot> make(Tables& tables, unsigned below, uint64_t home) {
    const auto piece = tables.allocate_piece(kBytes);
    if (!piece) return std::nullopt;
    return in(tables, *piece, below, home);
  }
  // In a piece that is there already.
  static SharedRoot in(Tables& tables, PhysAddr piece, unsigned below, uint64_t home) {
    const SharedRoot root(tables, piece);
    root.entry({});
    root.words_[kUsersWord] = Below::set(0, below);
    root.words_[kFirstRecord] = 0;
    root.words_[kHomeWord] = leading(home, kKeyBits - below);
    return root;
  }

  [[nodiscard]] PhysAddr address() const { return address_; }
  [[nodiscard]] GuardedEntry entry() const { return {.head = words_[0], .body = words_[1]}; }
  void entry(const GuardedEntry& e) const {
    words_[0] = e.head;
    words_[1] = e.body;
  }
  [[nodiscard]] uint64_t users() const { return Users::get(words_[kUsersWord]); }
  [[nodiscard]] unsigned below() const {
    return static_cast<unsigned>(Below::get(words_[kUsersWord]));
  }
  // The part of an address that counts below here.
  [[nodiscard]] uint64_t offset_of(uint64_t key) const {
    return key & ((uint64_t{1} << below()) - 1);
  }

  // A record not in any list yet. Nothing: no memory.
  static std::optional<PhysAddr> make_record(Tables& tables) {
    return tables.allocate_piece(kRecordBytes);
  }
  static void discard_record(Tables& tables, PhysAddr record) {
    tables.free_piece(record, kRecordBytes);
  }
  void add_user(PhysAddr record, Owner owner, uint64_t base) const {
    uint64_t* words = tables_->words(record);
    words[0] = owner;
    words[1] = base;
    words[2] = words_[kFirstRecord];
    words_[kFirstRecord] = record.value();
    words_[kUsersWord] = Users::set(words_[kUsersWord], users() + 1);
  }
  // REQUIRES: there is such a user.
  void remove_user(Owner owner, uint64_t base) const {
    uint64_t* link = &words_[kFirstRecord];
    while (*link != 0) {
      uint64_t* words = tables_->words(PhysAddr(*link));
      if (words[0] == owner && words[1] == base) {
        const PhysAddr record(*link);
        *link = words[2];
        words_[kUsersWord] = Users::set(words_[kUsersWord], users() - 1);
        tables_->free_piece(record, kRecordBytes);
        return;
      }
      link = &words[2];
    }
    MMUSIM_ASSERT(false);
  }
  void change_user(Owner owner, uint64_t base, Owner new_owner, uint64_t new_base) const {
    for (uint64_t at = words_[kFirstRecord]; at != 0;) {
      uint64_t* words = tables_->words(PhysAddr(at));
      if (words[0] == owner && words[1] == base) {
        words[0] = new_owner;
        words[1] = new_base;
        return;
      }
      at = words[2];
    }
    MMUSIM_ASSERT(false);
  }
  // f(owner, base) for each.
  template <class F>
  void for_each_user(F f) const {
    for (uint64_t at = words_[kFirstRecord]; at != 0;) {
      const uint64_t* words = tables_->words(PhysAddr(at));
      f(words[0], words[1]);
      at = words[2];
    }
  }
  // REQUIRES: no users.
  void free() const { tables_->free_piece(address_, kBytes); }

 private:
  Tables* tables_;
  PhysAddr address_;
  uint64_t* words_;
};

// The base that the record of a user has whose entry is at `place`: whole for an address space, an
// offset for an enclosing sub-tree.
inline uint64_t record_base(Tables& tables, const Place& place, uint64_t key) {
  return place.shared ? SharedRoot(tables, place.within).offset_of(key) : key;
}

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_SHARED_ROOT_H_
