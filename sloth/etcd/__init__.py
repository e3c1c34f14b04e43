"""etcd as sloth deals with it: who is a member, whether a majority stays, and the steps that ask and change it. Pure."""
