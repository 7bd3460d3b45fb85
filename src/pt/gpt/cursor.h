// The GPT's cursor: keeps the tables on the path to its position, as long as the trie does not
// change its form.
//
// A run is the leaves of one size that stand next to each other in one table, or the pages of an
// array; a leaf in a line, or smaller than its slot, is a run of its own. Entries passed on the way
// are reported as read, those of a run are not: its slots are read once, by who has the run.
#ifndef MMUSIM_PT_GPT_CURSOR_H_
#define MMUSIM_PT_GPT_CURSOR_H_

#include <cstdint>

#include "pt/gpt/gpt.h"

namespace mmusim::pt::gpt {

class GptCursor final : public Cursor {
 public:
  GptCursor(Gpt& table, VirtRange range, CursorMode mode);
  ~GptCursor() override;
  GptCursor(const GptCursor&) = delete;
  GptCursor& operator=(const GptCursor&) = delete;

  bool next(Run& run) override;
  Status status() const override { return status_; }
  void seek(VirtAddr va) override;

 private:
  // Goes behind the aligned block of 2^log2 bytes that begins at `begin`.
  void pass(uint64_t begin, unsigned log2);
  void restart();
  // Slots for the pages of a void, up to its end or the next place where a full table could end.
  // `empty_leaf`: it is one leaf, without an entry.
  void build(unsigned void_log2, bool empty_leaf = false);
  [[nodiscard]] Status build_one_by_one(uint64_t first, uint64_t last);
  void settle_run();
  void take_run(const Place& place, const GuardedEntry& e, Run& run);
  void take_array(const Place& place, const GuardedEntry& e, Run& run);
  // Of `count` leaves of 2^log2 bytes.
  void finish_run(uint64_t begin, unsigned log2, uint32_t count);

  Gpt& gpt_;
  uint64_t position_;
  uint64_t last_;  // inclusive
  CursorMode mode_;
  bool done_;
  Status status_ = Status::Ok;
  Path path_;  // Internal and Shared entries passed; the root may be all
  // A Zap cursor's last run, inclusive; what is cleared of it goes when the cursor goes on.
  bool has_run_ = false;
  uint64_t run_first_ = 0;
  uint64_t run_last_ = 0;
};

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_CURSOR_H_
