"""
What could not go on, with its reason and its way back.

    port      what every place of dead letters can do, and the values it answers with
    letters   the letters of the object store: what Kafka refused
    states    what was decided about a letter, in an object of its own
    store     the port over the object store
    requeue   one letter, or its group, back into its stream, once
"""
