# pool_scale.py - a simulated host with a pool: which part of the claims meets an idle VM, by rate and size; a table on stdout.
"""Claims come by chance (a Poisson process); a task's length is exponential around its mean. A claim without an idle VM boots
its own, as `agentvm run` does; one without memory is turned away. Figures are arguments, and docs/scale.md has measured ones."""
import argparse
import heapq
import random


def simulate(options, size, rate, seed=1):
    """Shares of claims: (met an idle VM, booted their own, turned away), and most VMs at work at once."""
    chance = random.Random(seed)
    events, order = [], 0

    def at(time, what):
        nonlocal order
        order += 1
        heapq.heappush(events, (time, order, what))

    idle, booting, working, most = size, 0, 0, 0
    hits = own = refused = 0
    at(chance.expovariate(rate), "claim")

    def memory():
        return (idle + booting) * options.idle_mib / 1024 + working * options.working_gib

    def refill(now):
        nonlocal booting
        while booting < options.boots_at_once and idle + booting < size and memory() < options.memory_gib:
            booting += 1
            at(now + options.refill, "booted")

    while events:
        now, _, what = heapq.heappop(events)
        if now > options.hours * 3600:
            break
        if what == "booted":
            booting -= 1
            idle += 1
        elif what == "end":
            working -= 1
        else:
            at(now + chance.expovariate(rate), "claim")
            if memory() + options.working_gib > options.memory_gib:
                refused += 1
            else:
                if idle:
                    idle -= 1
                    hits += 1
                else:
                    own += 1
                working += 1
                most = max(most, working)
                at(now + chance.expovariate(1 / options.task), "end")
        refill(now)
    claims = max(1, hits + own + refused)
    return hits / claims, own / claims, refused / claims, most


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory-gib", type=float, default=496)
    parser.add_argument("--idle-mib", type=float, default=132)
    parser.add_argument("--working-gib", type=float, default=3)
    parser.add_argument("--task", type=float, default=600, help="mean seconds")
    parser.add_argument("--refill", type=float, default=1, help="seconds")
    parser.add_argument("--boots-at-once", type=int, default=8)
    parser.add_argument("--hours", type=float, default=6)
    parser.add_argument("--sizes", default="1,2,4,8,16,40")
    parser.add_argument("--rates", default="0.05,0.2,0.25,1", help="claims a second")
    options = parser.parse_args()
    print("claims/s  pool  met a VM  booted  turned away  most at work")
    for rate in map(float, options.rates.split(",")):
        for size in map(int, options.sizes.split(",")):
            met, own, refused, most = simulate(options, size, rate)
            print(f"{rate:8.2f}  {size:4d}  {met:8.3f}  {own:6.3f}  {refused:11.3f}  {most:12d}")


if __name__ == "__main__":
    main()
