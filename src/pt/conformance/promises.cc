#include "pt/conformance/promises.h"

#include "pt/conformance/case.h"

namespace mmusim::pt::conformance {

const std::vector<PromiseCase>& promise_cases() {
#define MMUSIM_ANY_CASE(function, name, sentence, scrutiny)                                \
  {                                                                                        \
    name, sentence, [](Machine& machine) { Case(machine, sentence).function(); }, scrutiny \
  }
#define MMUSIM_CASE(function, name, sentence) \
  MMUSIM_ANY_CASE(function, name, sentence, Scrutiny::Words)
#define MMUSIM_WATCHED_CASE(function, name, sentence) \
  MMUSIM_ANY_CASE(function, name, sentence, Scrutiny::Always)
  static const std::vector<PromiseCase> kCases = {
      MMUSIM_CASE(EmptyTable, "empty_table",
                  "an empty table holds nothing, and every operation on it is well-defined"),
      MMUSIM_CASE(EmptyRanges, "empty_ranges", "operations on empty ranges do nothing"),
      MMUSIM_CASE(NoMemoryForTheRoot, "no_memory_for_the_root",
                  "create() gives no table when there is no memory for its root"),
      MMUSIM_CASE(SizesNotOffered, "sizes_not_offered",
                  "ensure() says BadSize for sizes that capabilities() does not list"),
      MMUSIM_CASE(
          BeyondTheAddressSpace, "beyond_the_address_space",
          "all addresses of the layout can be mapped; what can_map() denies is empty and cannot"),
      MMUSIM_CASE(
          EnsureWithoutMemory, "ensure_without_memory",
          "ensure() without memory maps nothing, leaks nothing, and works once there is memory"),
      MMUSIM_CASE(CopyWithoutMemory, "copy_without_memory",
                  "copy_ranges() without memory leaves a prefix that is valid"),
      MMUSIM_CASE(
          MoveWithoutMemory, "move_without_memory",
          "move_range() without memory moves a prefix, which can be moved back without memory"),
      MMUSIM_CASE(SplitWithoutMemory, "split_without_memory",
                  "split() without memory leaves the leaf as it was"),
      MMUSIM_CASE(SplitReserveSuffices, "split_reserve_suffices",
                  "split() does not fail for memory if what split_reserve() says was set aside"),
      MMUSIM_CASE(HandlesGoStale, "handles_go_stale", "a handle whose slot is gone says Moved"),
      MMUSIM_CASE(LargeSlotTakenBySmallerLeaves, "large_slot_taken_by_smaller_leaves",
                  "a slot for a large leaf cannot be used once smaller leaves are there"),
      MMUSIM_CASE(
          KeptEntries, "kept_entries",
          "entries that are neither none nor present come back as they were stored, at every size"),
      MMUSIM_CASE(OverlappingMoveDown, "overlapping_move_down",
                  "move_range() can move a range down by less than its size"),
      MMUSIM_CASE(CursorMeetsStraddlingLeavesOnce, "cursor_meets_straddling_leaves_once",
                  "a leaf across either end of a range is handed out whole, once"),
      MMUSIM_CASE(CursorsResume, "cursors_resume",
                  "a cursor that seeks after changes from elsewhere goes on by address"),
      MMUSIM_CASE(ClearingUnderACursor, "clearing_under_a_cursor",
                  "clearing what a Zap cursor hands out never makes it lose its place"),
      MMUSIM_CASE(SplitToEachSize, "split_to_each_size",
                  "split() gives leaves of the size asked for, and leaves what stands beside"),
      MMUSIM_CASE(PromotionIsUndoneBySplit, "promotion_is_undone_by_split",
                  "split() after promote() gives the translations there were"),
      MMUSIM_CASE(PromotionOfSeveralSizes, "promotion_of_several_sizes",
                  "promote() makes one leaf of smaller ones, whatever their sizes"),
      MMUSIM_CASE(PromotionWantsUniformLeaves, "promotion_wants_uniform_leaves",
                  "promote() refuses holes, other frames and other rights"),
      MMUSIM_CASE(ForkThenUnmapInEitherOrder, "fork_then_unmap_in_either_order",
                  "parent and child of a fork may go in either order, and nothing is left"),
      MMUSIM_CASE(TrimKeepsToItsLimits, "trim_keeps_to_its_limits",
                  "trim() frees no table that could serve an address outside floor and ceiling"),
      MMUSIM_CASE(TablesAreAccountedFor, "tables_are_accounted_for",
                  "visit_tables() shows each table once, with the bytes stats() counts"),
      MMUSIM_WATCHED_CASE(
          WalksNameTheirWords, "walks_name_their_words",
          "walk() names the words it reads, and no others, and the tables they are in"),
      MMUSIM_WATCHED_CASE(WordsDecide, "words_decide",
                          "what a table's words say is what it says, whoever wrote them"),
      MMUSIM_CASE(StepsDepend, "steps_depend",
                  "a step is dependent if its address comes out of the step before"),
      MMUSIM_WATCHED_CASE(OperationsReportWords, "operations_report_words",
                          "what operations read and write in tables is reported to the sink"),
      MMUSIM_CASE(
          SharedLeavesAreSeenByAll, "shared_leaves_are_seen_by_all",
          "what one user of a shared sub-tree installs or clears, all see, and rights are masked"),
      MMUSIM_CASE(UnshareMakesACopy, "unshare_makes_a_copy",
                  "after unshare() changes are one's own, and the rest stays shared"),
      MMUSIM_CASE(LeavingASharedSubTree, "leaving_a_shared_sub_tree",
                  "who leaves a shared sub-tree sees nothing of it, the others all; the last may "
                  "not leave leaves behind"),
  };
#undef MMUSIM_WATCHED_CASE
#undef MMUSIM_CASE
#undef MMUSIM_ANY_CASE
  return kCases;
}

}  // namespace mmusim::pt::conformance
