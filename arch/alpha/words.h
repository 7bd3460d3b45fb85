// Alpha's page-table entries as people are shown them.
#ifndef MMUSIM_ARCH_ALPHA_WORDS_H_
#define MMUSIM_ARCH_ALPHA_WORDS_H_

#include "arch/alpha/formats.h"
#include "base/word_text.h"

namespace mmusim::alpha::words {

inline constexpr WordField kEntryFields[] = {field<pte::Valid>("v"),
                                             field<pte::FaultOnRead>("for"),
                                             field<pte::FaultOnWrite>("fow"),
                                             field<pte::FaultOnExecute>("foe"),
                                             field<pte::AddressSpaceMatch>("asm"),
                                             field<pte::Hint>("gh"),
                                             field<pte::KernelRead>("kre"),
                                             field<pte::UserRead>("ure"),
                                             field<pte::KernelWrite>("kwe"),
                                             field<pte::UserWrite>("uwe"),
                                             field<pte::Dirty>("dirty"),
                                             field<pte::Accessed>("accessed"),
                                             field<pte::Special>("special", WordField::As::Flag),
                                             field<pte::Frame>("pfn", WordField::As::Hex)};

inline constexpr WordKind kRootEntry{.name = "L1 PTE", .fields = kEntryFields, .zero = "none"};
inline constexpr WordKind kMiddleEntry{.name = "L2 PTE", .fields = kEntryFields, .zero = "none"};
inline constexpr WordKind kLeafEntry{.name = "L3 PTE", .fields = kEntryFields, .zero = "none"};

}  // namespace mmusim::alpha::words

#endif  // MMUSIM_ARCH_ALPHA_WORDS_H_
