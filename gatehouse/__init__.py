"""The ground of Gatehouse: what every other app stands on. It imports no app."""
