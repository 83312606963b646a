"""Nodes of a Ray cluster on this machine, each with its own raylet."""

__all__ = ["Nodes"]

NODE = {"num_cpus": 1, "object_store_memory": 100_000_000}


class Nodes:
    """A head that runs nothing, and nodes with a CPU each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "object_store_memory": 100_000_000, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = [self.cluster.add_node(**NODE)]

    def lose(self, node_id: str) -> None:
        """Kill a node's processes, as a machine does that loses its power."""
        (node,) = [each for each in self.nodes if each.node_id.startswith(node_id)]
        self.nodes.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)

    def add(self) -> None:
        """Add a node."""
        self.nodes.append(self.cluster.add_node(**NODE))
