/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory as x86 orders it (TSO), for the models to include: stores go into their CPU's buffer and reach
 * memory later, one by one and in order; a load takes the newest store to its place from its own CPU's
 * buffer, else memory; a fence or a locked instruction waits until the buffer is empty.
 *
 * The model that includes this defines CPUS, LOCATIONS and BUFFER_MAX, which limits nothing: with more stores
 * on their way than that it fails. A model says where it leaves a release or an acquire out: under TSO these
 * emit no instruction, so what a variant can show is the order that they keep the compiler to. */

typedef store_buffer {
    byte used;
    byte location[BUFFER_MAX];
    byte value[BUFFER_MAX]
};

store_buffer buffers[CPUS];
byte memory[LOCATIONS];
hidden byte slot;

inline store(cpu, where, what) {
    d_step {
        assert(buffers[cpu].used < BUFFER_MAX);
        buffers[cpu].location[buffers[cpu].used] = where;
        buffers[cpu].value[buffers[cpu].used] = what;
        buffers[cpu].used++
    }
}

inline load(cpu, where, into) {
    d_step {
        into = memory[where];
        slot = 0;
        do
        :: slot < buffers[cpu].used ->
            if
            :: buffers[cpu].location[slot] == where -> into = buffers[cpu].value[slot]
            :: else
            fi;
            slot++
        :: else -> break
        od
    }
}

inline fence(cpu) {
    buffers[cpu].used == 0
}

/* found is what was there: the exchange took place iff it is old. */
inline compare_exchange(cpu, where, old, new, found) {
    d_step {
        buffers[cpu].used == 0;
        found = memory[where];
        if :: found == old -> memory[where] = new :: else fi
    }
}

inline exchange(cpu, where, new, found) {
    d_step {
        buffers[cpu].used == 0;
        found = memory[where];
        memory[where] = new
    }
}

/* One for each CPU. */
proctype drain(byte cpu) {
end:
    do
    :: d_step {
        buffers[cpu].used > 0;
        memory[buffers[cpu].location[0]] = buffers[cpu].value[0];
        buffers[cpu].used--;
        slot = 0;
        do
        :: slot < buffers[cpu].used ->
            buffers[cpu].location[slot] = buffers[cpu].location[slot + 1];
            buffers[cpu].value[slot] = buffers[cpu].value[slot + 1];
            slot++
        :: else -> break
        od;
        buffers[cpu].location[slot] = 0;
        buffers[cpu].value[slot] = 0
    }
    od
}
