// IA-64's words as people are shown them: the page table's, and those of a VHPT's slots and of what
// is chained to them.
#ifndef MMUSIM_ARCH_IA64_WORDS_H_
#define MMUSIM_ARCH_IA64_WORDS_H_

#include <string>

#include "arch/ia64/formats.h"
#include "base/word_text.h"

namespace mmusim::ia64::words {

inline constexpr WordField kTranslationFields[] = {
    field<PresentBit>("p"),
    field<MemoryAttributeField>("ma"),
    field<AccessedBit>("a"),
    field<DirtyBit>("d"),
    field<PrivilegeField>("pl"),
    field<AccessRightsField>("ar"),
    field<FrameField>("ppn", WordField::As::Hex),
    field<ExceptionDeferralBit>("ed"),
    field<PageSizeField>("ps"),
    field<SpecialBit>("special", WordField::As::Flag),
    field<ProtNoneBit>("PROT_NONE", WordField::As::Flag)};
inline constexpr WordField kItirFields[] = {field<ItirSizeField>("ps"),
                                            field<ItirKeyField>("key", WordField::As::Hex)};
inline constexpr WordField kTagFields[] = {field<TagInvalidBit>("ti"),
                                           field<TagField>("tag", WordField::As::Hex)};
inline constexpr WordField kPointerFields[] = {
    {.name = "page-table word at", .as = WordField::As::Pointer}};
inline constexpr WordField kChainFields[] = {
    {.name = "chain entry at", .as = WordField::As::Pointer}};

inline constexpr WordKind kPte{.name = "PTE", .fields = kTranslationFields};
inline constexpr WordKind kVhptTranslation{.name = "VHPT translation",
                                           .fields = kTranslationFields};
inline constexpr WordKind kVhptItir{.name = "VHPT ITIR", .fields = kItirFields};
inline constexpr WordKind kVhptTag{.name = "VHPT tag", .fields = kTagFields};
inline constexpr WordKind kVhptPointer{.name = "VHPT pointer", .fields = kPointerFields};
inline constexpr WordKind kVhptChain{
    .name = "VHPT chain", .fields = kChainFields, .zero = "end of the chain"};
inline constexpr WordKind kChainTranslation{.name = "chain translation",
                                            .fields = kTranslationFields};
inline constexpr WordKind kChainItir{.name = "chain ITIR", .fields = kItirFields};
inline constexpr WordKind kChainTag{.name = "chain tag", .fields = kTagFields};
inline constexpr WordKind kChainLink{
    .name = "chain link", .fields = kChainFields, .zero = "end of the chain"};
// The three the walker reads at once.
inline constexpr WordKind kVhptEntry{
    .name = "VHPT entry", .text = [](std::span<const uint64_t> words) {
      return fields_text(kTranslationFields, words[0]) + "; " + fields_text(kItirFields, words[1]) +
             "; " + fields_text(kTagFields, words[2]);
    }};

}  // namespace mmusim::ia64::words

#endif  // MMUSIM_ARCH_IA64_WORDS_H_
