"""What the model learns from: photos with a label, whose photos are the same, who may be judged by whom."""
