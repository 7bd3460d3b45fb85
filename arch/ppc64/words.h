// PowerPC's words as people are shown them: Linux's page-table entry, of either base page, and the
// hash table's.
#ifndef MMUSIM_ARCH_PPC64_WORDS_H_
#define MMUSIM_ARCH_PPC64_WORDS_H_

#include <span>

#include "arch/ppc64/formats.h"
#include "base/bits.h"
#include "base/word_text.h"

namespace mmusim::ppc64::words {

template <const PteForm& Form>
inline constexpr WordField kEntryFieldsOf[] = {
    field<pte::Present>("present"),
    field<pte::User>("user"),
    field<pte::Exec>("exec"),
    field<pte::Coherent>("coherent"),
    field<pte::Dirty>("dirty"),
    field<pte::Accessed>("accessed"),
    field<pte::Write>("rw"),
    field<BitField<log2_floor(Form.hash_pte)>>("hashpte"),
    field<pte::Slot>("slot"),
    field<pte::Secondary>("secondary"),
    field<BitField<log2_floor(Form.special)>>("special"),
    field<BitField<Form.frame_shift, 60 - Form.frame_shift>>("rpn", WordField::As::Hex)};
constexpr std::span<const WordField> entry_fields(PageShift page) {
  if (page == k64K) return kEntryFieldsOf<kPte64K>;
  return kEntryFieldsOf<kPte4K>;
}

inline constexpr WordField kFirstFields[] = {
    field<hpte::Valid>("v"),       field<hpte::Hash>("h"),
    field<hpte::Large>("l"),       field<hpte::Bolted>("bolted"),
    field<hpte::SegmentSize>("b"), field<hpte::Avpn>("avpn", WordField::As::Hex)};
inline constexpr WordField kSecondFields[] = {
    field<hpte::Frame>("rpn", WordField::As::Hex), field<hpte::Referenced>("r"),
    field<hpte::Changed>("c"), field<hpte::NoExecute>("n"), field<hpte::Protection>("pp")};

inline constexpr WordKind kFirst{.name = "HPTE V", .fields = kFirstFields};
inline constexpr WordKind kSecond{.name = "HPTE R", .fields = kSecondFields};
inline constexpr WordKind kGroup{.name = "PTEG"};
inline constexpr WordKind kBusyEntry{.name = "PTE, busy"};

}  // namespace mmusim::ppc64::words

#endif  // MMUSIM_ARCH_PPC64_WORDS_H_
