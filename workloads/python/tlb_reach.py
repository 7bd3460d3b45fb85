# %% [markdown]
# How large must a second-level TLB be? A notebook of four cells, for the trace that comes with
# mmusim: the exact curve of LRU first, then runs with the machine's own TLBs, then what page tables
# make of it. Open it in an editor that knows cells (# %%), or run it: python3 tlb_reach.py

# %%
import mmusim

trace = mmusim.Trace("pipeline")
print(f"{trace.about['program']}: {trace.about['instructions']:,} instructions")
grown = sum(record.event["length"] for record in mmusim.Trace("pipeline", kinds=["mmap"]))
print(f"mapped: {grown >> 20} MiB")

# %% The knee, for every size at once: the smallest 8-way TLB within a tenth of the largest.
curve = mmusim.curve("pipeline", pages=["4K"]).frame()
data = curve[(curve.side == "data") & (curve.ways == 8)].set_index("entries")
knee = data[data.misses <= 1.1 * data.misses.min()].index[0]
print(data[["misses", "miss_ratio"]])
print(f"the knee: {knee} entries")

# %% The same sizes on a Skylake-SP, whose first level stands before it, as runs of their own.
sweep = mmusim.sweep(
    "pipeline",
    machines="skylake-sp",
    vary={"tlb.l2.entries": "384..3072 x2"},
    counters=["tlb.l2.misses", "mmu.cycles"],
)
runs = sweep.frame().set_index("tlb.l2.entries")
print(runs[["tlb.l2.misses", "mmu.cycles"]])

# %% What the page table makes of a miss.
compared = mmusim.compare("pipeline", machines="skylake-sp", page_tables=["mlpt", "gpt"])
print(compared.frame()[["walks", "walker_references", "cycles"]].round(2))
