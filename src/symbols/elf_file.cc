// A file as libdwfl sees one that nobody runs: a module at an address of its own. An offset in the
// file becomes an address by the segment that is loaded from there.
#include "symbols/elf_file.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cxxabi.h>
#include <elfutils/libdwfl.h>
#include <gelf.h>
#include <utility>
#include <vector>

#include "base/error.h"

namespace mmusim::symbols {
namespace {

struct EndSession {
  void operator()(Dwfl* session) const { dwfl_end(session); }
};

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free);
  return status == 0 && text != nullptr ? text.get() : name;
}

}  // namespace

class ElfFile::Impl {
 public:
  explicit Impl(const std::string& path) {
    static char* no_path = nullptr;  // the usual places
    static const Dwfl_Callbacks kCallbacks{.find_elf = nullptr,
                                           .find_debuginfo = dwfl_standard_find_debuginfo,
                                           .section_address = dwfl_offline_section_address,
                                           .debuginfo_path = &no_path};
    session_.reset(dwfl_begin(&kCallbacks));
    const auto broken = [&path] { throw Error(path, "is no ELF file, or not all of one"); };
    if (session_ == nullptr) broken();
    dwfl_report_begin(session_.get());
    module_ = dwfl_report_offline(session_.get(), path.c_str(), path.c_str(), -1);
    dwfl_report_end(session_.get(), nullptr, nullptr);
    Elf* const elf = module_ != nullptr ? dwfl_module_getelf(module_, &bias_) : nullptr;
    GElf_Ehdr header;
    size_t segments = 0;
    if (elf == nullptr || gelf_getehdr(elf, &header) == nullptr ||
        elf_getphdrnum(elf, &segments) != 0)
      broken();
    machine_ = header.e_machine;
    size_t bytes = 0;
    if (elf_rawfile(elf, &bytes) == nullptr) broken();
    for (size_t i = 0; i < segments; ++i) {
      GElf_Phdr segment;
      if (gelf_getphdr(elf, static_cast<int>(i), &segment) == nullptr) broken();
      if (segment.p_type != PT_LOAD || segment.p_filesz == 0) continue;
      if (segment.p_offset > bytes || segment.p_filesz > bytes - segment.p_offset) broken();
      if ((segment.p_flags & PF_X) != 0) code_.push_back(segment);
    }
    symbols_ = dwfl_module_getsymtab(module_);
  }

  [[nodiscard]] unsigned machine() const { return machine_; }
  [[nodiscard]] bool has_symbols() const { return symbols_ > 1; }  // the first is nobody's
  [[nodiscard]] bool maps_as_code(uint64_t begin, uint64_t end, PageShift page) const {
    return std::any_of(code_.begin(), code_.end(), [&](const GElf_Phdr& segment) {
      const VirtAddr first(segment.p_offset);
      return align_down(first, page).value() == begin &&
             align_up(first + segment.p_filesz, page).value() == end;
    });
  }
  [[nodiscard]] std::optional<uint64_t> address_of(uint64_t offset) const {
    for (const GElf_Phdr& segment : code_)
      if (offset - segment.p_offset < segment.p_filesz)
        return offset - segment.p_offset + segment.p_vaddr + bias_;
    return std::nullopt;
  }
  [[nodiscard]] std::optional<std::string> function_at(uint64_t offset) const {
    const auto address = address_of(offset);
    if (!address) return std::nullopt;
    GElf_Off into = 0;
    GElf_Sym symbol;
    const char* const name =
        dwfl_module_addrinfo(module_, *address, &into, &symbol, nullptr, nullptr, nullptr);
    if (name == nullptr || *name == 0) return std::nullopt;
    return demangled(name);
  }

 private:
  std::unique_ptr<Dwfl, EndSession> session_;
  Dwfl_Module* module_ = nullptr;
  GElf_Addr bias_ = 0;
  unsigned machine_ = 0;
  int symbols_ = 0;
  std::vector<GElf_Phdr> code_;
};

ElfFile::ElfFile(const std::string& path) : impl_(std::make_unique<Impl>(path)) {}
ElfFile::~ElfFile() = default;

unsigned ElfFile::machine() const {
  return impl_->machine();
}

bool ElfFile::has_symbols() const {
  return impl_->has_symbols();
}

bool ElfFile::maps_as_code(uint64_t begin, uint64_t end, PageShift page) const {
  return impl_->maps_as_code(begin, end, page);
}

std::optional<std::string> ElfFile::function_at(uint64_t offset) const {
  const auto [place, fresh] = known_.try_emplace(offset);
  if (fresh) place->second = impl_->function_at(offset);
  return place->second;
}

std::optional<unsigned> elf_machine_of(const std::string& isa) {
  constexpr unsigned kAlpha = 0x9026;
  constexpr unsigned kRiscv = 243;
  static constexpr std::array<std::pair<const char*, unsigned>, 13> kMachines{
      {{"x86_64", EM_X86_64},
       {"i386", EM_386},
       {"ia64", EM_IA_64},
       {"ppc64", EM_PPC64},
       {"ppc64le", EM_PPC64},
       {"sparc64", EM_SPARCV9},
       {"alpha", kAlpha},
       {"aarch64", EM_AARCH64},
       {"arm", EM_ARM},
       {"riscv64", kRiscv},
       {"s390x", EM_S390},
       {"mips64", EM_MIPS},
       {"mips64el", EM_MIPS}}};
  for (const auto& [name, machine] : kMachines)
    if (isa == name) return machine;
  return std::nullopt;
}

}  // namespace mmusim::symbols
