"""Style transfer (section 3.2.2): VGG19, Gram matrices, their distribution and the images made from them."""
