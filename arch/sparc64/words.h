// SPARC's words as people are shown them: TTEs, the TSB's tags, and what the handlers keep per CPU.
#ifndef MMUSIM_ARCH_SPARC64_WORDS_H_
#define MMUSIM_ARCH_SPARC64_WORDS_H_

#include <string>

#include "arch/sparc64/formats.h"
#include "base/word_text.h"

namespace mmusim::sparc64::words {

inline constexpr const char* kSizeNames[] = {"8K", "64K", "512K", "4M"};  // kSizes
inline constexpr WordField kTteFields[] = {
    field<tte::Valid>("v"),
    {.name = "size", .low = 61, .width = 2, .as = WordField::As::Value, .values = kSizeNames},
    field<tte::Frame>("pa", WordField::As::Hex, kPage.log2()),
    field<tte::Exec>("exec"),
    field<tte::Modified>("modified"),
    field<tte::Accessed>("accessed"),
    field<tte::Read>("read"),
    field<tte::Write>("write"),
    field<tte::Present>("present"),
    field<tte::Locked>("l"),
    field<tte::CacheablePhysical>("cp"),
    field<tte::CacheableVirtual>("cv"),
    field<tte::SideEffect>("e"),
    field<tte::Privileged>("p"),
    field<tte::Writable>("w"),
    field<tte::Global>("g"),
    field<tte::Special>("special", WordField::As::Flag),
    field<tte::Huge>("huge", WordField::As::Flag)};
inline constexpr WordField kTagFields[] = {field<tsb::Address>("va 63:22", WordField::As::Hex),
                                           field<tsb::Context>("context"), field<tsb::Lock>("lock"),
                                           field<tsb::Invalid>("invalid")};
inline constexpr WordField kRootFields[] = {
    {.name = "page table at", .as = WordField::As::Pointer}};
inline constexpr WordField kHugeFields[] = {{.name = "TSB register", .as = WordField::As::Pointer}};

inline constexpr WordKind kTte{.name = "TTE", .fields = kTteFields};
inline constexpr WordKind kTag{.name = "TSB tag", .fields = kTagFields};
// Of a CPU's block of data for the handlers: the page table's root, and the register value of the
// TSB of huge pages, all ones where there is none.
inline constexpr WordKind kRoot{.name = "per-CPU root", .fields = kRootFields};
inline constexpr WordKind kHuge{
    .name = "per-CPU huge", .text = [](std::span<const uint64_t> words) {
      return words[0] == ~uint64_t{0} ? "no TSB of huge pages" : fields_text(kHugeFields, words[0]);
    }};
// A whole entry.
inline constexpr WordKind kTsbEntry{
    .name = "TSB entry", .text = [](std::span<const uint64_t> words) {
      return fields_text(kTagFields, words[0]) + "; " + fields_text(kTteFields, words[1]);
    }};

}  // namespace mmusim::sparc64::words

#endif  // MMUSIM_ARCH_SPARC64_WORDS_H_
