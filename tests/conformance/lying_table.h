// A page table that is right but for one lie: what the kit must find out.
#ifndef MMUSIM_TESTS_CONFORMANCE_LYING_TABLE_H_
#define MMUSIM_TESTS_CONFORMANCE_LYING_TABLE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "mem/sink.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"

namespace mmusim::pt::conformance {

enum class Lie : uint8_t {
  None,
  // --- Look-ups
  WrongEntry,     // find() gives another entry now and then
  WrongSize,      // a large leaf is said to be a page
  VoidTooLarge,   // find() reports a void that holds leaves
  VoidTooSmall,   // a void of half a page
  NoSlot,         // no slot where an entry is
  PeekReports,    // peek() touches
  SilentLookups,  // find() touches words and reports none
  FindOneTwice,   // find() reports a word more
  HostCache,      // what was found once is found for ever, whatever the words say
  HostMap,        // answers from a map of its own; the words are named, and not read
  // --- The words of a walk
  WrongWord,          // the word beside the leaf's
  NoMemoryAtAll,      // words outside all tables
  NoLeafWord,         // the leaf's word is left out
  NoDirectoryWord,    // a word of a directory is left out
  NoRootWord,         // the first is left out
  WordNotRead,        // a word is named that is not read
  AcrossLines,        // a word of 16 bytes across two lines
  WrongLevel,         // one level too high
  FlatLevels,         // all words are of level 0
  NeverDependent,     // no word depends on the one before
  AlwaysDependent,    // the first word does, on nothing
  BesideWhatItNeeds,  // each word can be read along with the one that says where it is
  BeginsTooWide,      // a walk can begin at a table for twice what it serves
  BeginsElsewhere,    // ... in the middle of one
  // --- Slots and handles
  NoCompare,           // install() does not look at the expected entry
  NoBadAlign,          // install() takes frames that are not aligned
  ClearKeeps,          // clear() leaves the entry
  ClearForgetsOld,     // clear() does not say what there was
  WrongHandle,         // ensure() gives the handle of the page behind
  BadSizeTaken,        // ensure() makes a page where another size was asked for
  StaleHandle,         // install() writes through any handle
  StaleAfterSplit,     // install() takes the handle of a leaf that was split
  EnsureLosesLeaf,     // ensure() empties the slot
  NoMemoryForNothing,  // ensure() says NoMemory though there is memory
  KeptBecomesNone,     // entries that are not present are dropped
  // --- Cursors
  ForgottenLeaf,   // a cursor passes over a run
  EndlessCursor,   // a cursor hands out the same run for ever
  TwiceInACursor,  // a cursor hands out a run twice
  SlowCursor,      // a cursor hands out each page of the range, mapped or not
  SeekIgnored,     // seek() does nothing
  BuildHoles,      // a Build cursor makes no slots
  HostRuns,        // runs are copies: what is written to them is lost
  // --- Ranges
  MissedByFork,     // copy_ranges() leaves out a run
  CopyNotStopped,   // copy_ranges() says Ok when it was stopped
  MoveForgetsLast,  // move_range() leaves the last page where it was
  MoveSaysDone,     // move_range() says that nothing was done
  TrimTakesLeaves,  // trim() clears a leaf
  TrimNoFloor,      // trim() does not mind the floor
  TrimNoCeiling,    // nor the ceiling
  TrimLazy,         // trim() does nothing where there is a floor
  GatherElsewhere,  // the gather's range is somewhere else
  GatherTooFar,     // the gather's range is everything
  FreedAtOnce,      // trim() frees at once and leaves the gather empty
  FreedSmaller,     // the gather has less of a table than there is
  DoubleFree,       // trim() frees what it gave to the gather
  // --- Sizes
  SplitForgetsLast,  // split() loses the last page
  SplitSaysOk,       // split() does nothing and says Ok
  SplitToPages,      // split() makes base pages, whatever it is asked for
  ReserveNothing,    // split_reserve() says that nothing is needed
  PromoteAnything,   // promote() says Ok of what is not uniform
  // --- What operations report
  SilentEnsure,
  SilentInstall,
  SilentClear,
  SilentSplit,
  SilentPromote,
  SilentMove,
  SilentTrim,
  // --- The account
  LeakedTable,       // a piece of memory is never given back
  StatsLeaves,       // stats() counts a leaf too few
  StatsBytes,        // table_bytes() is not what stats() says
  StatsRoot,         // stats() forgets the root
  StatsTables,       // stats() counts no tables of the leaf level
  VisitLeavesOut,    // visit_tables() leaves out the last table
  VisitTwice,        // shows it twice
  VisitChildFirst,   // shows the root last
  VisitWrongBase,    // shows tables one page off
  VisitWrongLeaves,  // counts one leaf too many
  VisitWrongTables,  // counts no tables
  VisitReports,      // touches what it shows
  // --- Not even that
  Crash,        // reads what is not there
  CrashInTrim,  // ... but only in trim()
  Hang,         // never comes back
  HangInSplit,  // ... but only from split()
  Throws,       // an exception nobody knows
  Count
};

class LyingTable final : public PageTable {
 public:
  // The honest table is over a sink of its own where the lie is in what operations report.
  LyingTable(const Environment& environment, std::unique_ptr<PageTable> honest, Lie lie);

  Lookup walk(VirtAddr va, WalkPath& path) const override;
  Lookup find(VirtAddr va, mem::Origin origin) override;
  Lookup peek(VirtAddr va) const override;
  Slot ensure(VirtAddr va, PageShift size) override;
  Status install(const Handle& handle, Entry expected, Entry next) override;
  Status clear(const Handle& handle, Entry& old) override;
  Status split(const Handle& handle, PageShift to) override;
  SplitReserve split_reserve(PageShift from, PageShift to) const override;
  Status promote(VirtAddr va, PageShift to, Gather& gather) override;
  std::unique_ptr<Cursor> cursor(VirtRange range, CursorMode mode) override;
  Status copy_ranges(PageTable& to, std::span<const VirtRange> ranges,
                     const RunCopier& copy) override;
  Status move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) override;
  void trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) override;
  RootToken root() const override { return honest_->root(); }
  Stats stats() const override;
  uint64_t table_bytes() const override;
  void visit_tables(const TableVisitor& visit) const override;
  Capabilities capabilities() const override;

 private:
  [[nodiscard]] bool lies(Lie lie) const { return lie_ == lie; }
  [[nodiscard]] PageShift page() const { return environment_.page; }
  void lie_about_path(VirtAddr va, const Lookup& found, WalkPath& path) const;
  // An operation is over: reports more than enough of it, unless it is the silent one.
  void report_unless(Lie silent) const;

  Environment environment_;
  std::unique_ptr<PageTable> honest_;
  Lie lie_;
  mutable std::map<uint64_t, Lookup> remembered_;
  mutable std::optional<VirtAddr> last_;  // looked up
  mutable Lookup last_found_;
  mutable WalkPath last_path_;
  Handle split_;  // of the leaf split last
};

// The multi-level table, with a lie.
Backend liar(Lie lie);

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_TESTS_CONFORMANCE_LYING_TABLE_H_
